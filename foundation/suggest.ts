import { distance } from "fastest-levenshtein";

/** The known name that `wrong` most likely means, or undefined where none is near: a third of its letters may be wrong. Case differs for nothing. */
export function nearest(wrong: string, known: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.floor(simplified(wrong).length / 3));
  const near = [...known]
    .map((name) => ({ name, steps: stepsBetween(simplified(wrong), simplified(name)) }))
    .filter(({ name, steps }) => steps <= limit && steps < simplified(name).length)
    .sort((a, b) => a.steps - b.steps);
  return near[0]?.name;
}

/** Letters to be changed, added or left out; letters in another order are one slip. */
function stepsBetween(a: string, b: string): number {
  return a !== b && lettersOf(a) === lettersOf(b) ? 1 : distance(a, b);
}

const lettersOf = (name: string): string => [...name].sort().join("");

/** "did you mean `x`?", or the names there are when none is near and they are few. */
export function suggestion(wrong: string, known: Iterable<string>): string | undefined {
  const names = [...new Set(known)];
  const near = nearest(wrong, names);
  if (near !== undefined) return `did you mean \`${near}\`?`;
  return names.length > 0 && names.length <= 12 ? `known: ${names.map((name) => `\`${name}\``).join(", ")}` : undefined;
}

const simplified = (name: string): string => name.toLowerCase().replace(/[-_ ]/g, "");
