import type { JSONPath } from "jsonc-parser";
import { suggestion } from "../../foundation/suggest.js";
import { membersOf } from "../members.js";
import type { Fault } from "../fault.js";

const sections = ["stages", "models", "data"] as const;
export type Section = (typeof sections)[number];

/** A field of an entry of a spec, or the entry as a whole. */
export interface Field {
  readonly section: Section;
  readonly entry: string;
  /** Members and places in lists that lead to it inside the entry; none where it is the entry. */
  readonly way: readonly string[];
}

/** A field that a sweep sets, and where the spec says so. */
export interface Change extends Field {
  /** Undefined takes the field away. */
  readonly value: unknown;
  /** Where the spec names the field, and where its value. */
  readonly named: JSONPath;
  readonly given: JSONPath;
}

/** The field that a text such as "stages.ppo.tricks.gae.lambda" names, or what is wrong with it. */
export function fieldOf(spec: unknown, text: string, place: Pick<Fault, "path" | "part">): Field | Fault {
  const wrong = (message: string, hint?: string): Fault => ({ code: "TL_SPEC_UNKNOWN_REFERENCE", ...place, message, ...(hint !== undefined && { hint }) });
  const section = sections.find((each) => text === each || text.startsWith(`${each}.`));
  if (section === undefined) return wrong(`\`${text}\` names no field of a stage, a model or a data entry`, wayTo(spec, text));
  if (text === section) return wrong(`\`${text}\` names no entry and no field of one`, "write the whole way in one name, such as `stages.ppo.epochs`");
  const rest = text.slice(section.length + 1);
  const entries = Object.keys(membersOf(membersOf(spec)[section]));
  // Names of entries may have dots in them: the longest that fits is meant.
  const entry = entries.filter((name) => rest === name || rest.startsWith(`${name}.`)).sort((a, b) => b.length - a.length)[0];
  if (entry === undefined) {
    const name = rest.split(".")[0]!;
    return wrong(`\`${text}\`: \`${section}\` has no \`${name}\``, suggestion(name, entries));
  }
  if (rest === entry) return { section, entry, way: [] };
  const way = rest.slice(entry.length + 1).split(".");
  return way.some((part) => part === "") ? wrong(`\`${text}\` names no field of \`${entry}\``, `add the field, such as \`${section}.${entry}.description\``) : { section, entry, way };
}

/** What may have been meant by a field without its section. */
function wayTo(spec: unknown, text: string): string {
  if (text === "seed") return "an axis of seeds has `seeds` and `stages`, such as {\"seeds\": 3, \"stages\": [\"ppo\"]}";
  const [entry = ""] = text.split(".");
  const section = sections.find((each) => Object.hasOwn(membersOf(membersOf(spec)[each]), entry));
  return section === undefined ? "such as `stages.ppo.tricks.klPenalty.coefficient`" : `did you mean \`${section}.${text}\`?`;
}

/** Why a field of a value can't be set; undefined where it can. */
export function obstacleTo(value: unknown, way: readonly string[]): string | undefined {
  const [part, ...rest] = way;
  if (part === undefined) return undefined;
  if (Array.isArray(value)) {
    if (!isPlaceIn(value, part)) return `\`${part}\` is no place in a list of ${value.length}, which count from 0`;
    return rest.length === 0 ? undefined : obstacleTo(value[Number(part)], rest);
  }
  if (typeof value === "string" || typeof value === "number" || value === true) return `\`${part}\` is asked of ${JSON.stringify(value)}, which has no fields`;
  return rest.length === 0 ? undefined : obstacleTo(membersOf(value)[part], rest);
}

/** A value with a field set, or taken away where `to` is undefined. Objects on the way are made; what is off by `false` is turned on. */
export function withField(value: unknown, way: readonly string[], to: unknown): unknown {
  const [part, ...rest] = way;
  if (part === undefined) return to;
  if (Array.isArray(value)) return rest.length === 0 && to === undefined ? value.toSpliced(Number(part), 1) : value.with(Number(part), withField(value[Number(part)], rest, to));
  const members = membersOf(value);
  if (rest.length === 0 && to === undefined) return Object.fromEntries(Object.entries(members).filter(([name]) => name !== part));
  return { ...members, [part]: withField(members[part], rest, to) };
}

const isPlaceIn = (list: readonly unknown[], part: string): boolean => /^\d+$/.test(part) && Number(part) < list.length;
