const colorCodes = /\u001b\[\d+m/g;
/** Bold, faint and the plain colours, and their ends: all that this program paints with. */
const paint = /\u001b\[(?:[12]|22|3[0-9])m/g;
/** What a terminal obeys or hides rather than shows: control characters, and those that turn the direction of writing. */
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** A line that people give to be told again: nothing in it begins a line of its own, or is obeyed by a terminal. */
export const oneLinePattern = /^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]{1,500}$/;

/** Characters that a terminal draws two cells wide: Hangul, Han, kana and full-width forms. */
const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/gu;

/**
 * A text for a terminal: nothing in it is obeyed, control characters stand there as they are written in JSON. Line ends and
 * tabs stay, and this program's own colours where they are `painted`.
 */
export function visible(text: string, painted: boolean): string {
  const shown = (part: string) => part.replace(unseen, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
  if (!painted) return shown(text);
  const parts = text.split(paint);
  const codes = text.match(paint) ?? [];
  return parts.map((part, index) => shown(part) + (codes[index] ?? "")).join("");
}

/** Cells that a text takes on a terminal. */
export function displayWidth(text: string): number {
  const plain = text.replace(colorCodes, "");
  return [...plain].length + (plain.match(wide)?.length ?? 0);
}

/** The host of an address, which is all of it that may be told: the rest can be a secret. */
export function hostOf(address: string): string {
  return URL.canParse(address) ? new URL(address).host : "an address that can't be read";
}

/** Names for people: the first few of many, and how many more there are. */
export function fewNames(names: readonly string[], few = 3): string {
  return names.length <= few + 1 ? names.join(", ") : `${names.slice(0, few).join(", ")} and ${names.length - few} more`;
}

/** A number of things in words, as in "1 vote" and "3 votes". */
export function counted(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
