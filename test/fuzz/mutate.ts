import type { Random } from "../../foundation/random.js";

export type Members = Record<string, unknown>;

/** Stands for lists in lists, deeper than any recursion goes, until the value is a text. */
const deep = "@deep@";

const strange: readonly unknown[] = [
  null, true, false, 0, -1, 1.5, 1e308, Number.MAX_SAFE_INTEGER, "", "ppo", "constructor", "__proto__", "toString", "灯", "\ud800", "\u0000", "../..", "/dev/zero", "2h", "1e999",
  deep, [], {}, [[]], { kind: "ppo" }, ["hh", 3], "sft", "hh", "tiny", "rm", "x".repeat(5000),
];
const pieces: readonly string[] = ["", ",", "{", "}", "\"", "\u0000", "//", "\n", "]", "[", "1e999", "\\u", "\ufeff", "\u202e", "\"__proto__\":{\"a\":1},", "-", "[".repeat(3000)];

/** Every place of a value, as the object or list that holds it and the key. */
function places(value: unknown): { readonly holder: Members; readonly key: string }[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [{ holder: value as Members, key }, ...places(member)]);
}

/** A copy of a JSON value with one to three members taken away, exchanged, renamed, doubled or made strange. */
export function mutateValue(random: Random, original: unknown): unknown {
  const value = structuredClone(original);
  for (let count = 1 + random.integer(3); count > 0; count--) {
    const all = places(value);
    if (all.length === 0) break;
    const { holder, key } = random.pick(all);
    const other = random.pick(all);
    [
      () => { Reflect.deleteProperty(holder, key); },
      () => { holder[key] = structuredClone(random.pick(strange)); },
      () => { holder[key] = structuredClone(other.holder[other.key]); },
      () => { holder[`${key}x`] = holder[key]; },
      () => { holder[other.key] = random.pick(strange); },
      () => { Object.defineProperty(holder, "__proto__", { value: random.pick(strange), enumerable: true, configurable: true, writable: true }); },
      () => { if (typeof holder[key] === "number") holder[key] = holder[key] * [-1, 0.5, 2, 1e9][random.integer(4)]!; },
      () => { holder["description"] = "words"; },
    ][random.integer(8)]!();
  }
  return value;
}

/** A text with one to three pieces cut out or put in. */
export function mutateText(random: Random, original: string): string {
  let text = original;
  for (let count = 1 + random.integer(3); count > 0; count--) {
    const at = random.integer(text.length + 1);
    text = text.slice(0, at) + random.pick(pieces) + text.slice(at + random.integer(random.integer(8) === 0 ? 400 : 4));
  }
  return text;
}

/** A value as JSON, with what is too deep to be a value. */
export function jsonOf(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replaceAll(`"${deep}"`, `${"[".repeat(50_000)}${"]".repeat(50_000)}`);
}

/** Bytes with bits flipped, stretches lost, doubled or made up, or the end missing. */
export function mutateBytes(random: Random, original: Uint8Array): Uint8Array {
  let bytes = Buffer.from(original);
  for (let count = 1 + random.integer(3); count > 0; count--) {
    const at = random.integer(bytes.length + 1);
    const end = Math.min(bytes.length, at + random.integer(64));
    const made = Buffer.from(Array.from({ length: random.integer(64) }, () => random.integer(256)));
    bytes = [
      () => Buffer.from(bytes.map((byte, index) => (index === at ? byte ^ (1 << random.integer(8)) : byte))),
      () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]),
      () => Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]),
      () => Buffer.concat([bytes.subarray(0, at), made, bytes.subarray(at)]),
      () => bytes.subarray(0, at),
      () => Buffer.from(made),
    ][random.integer(10) === 0 ? 5 : random.integer(5)]!();
  }
  return bytes;
}
