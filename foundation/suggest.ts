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
  return meant(wrong, names)
    ?? (names.length > 0 && names.length <= 12 ? `known: ${names.map((name) => `\`${name}\``).join(", ")}` : undefined);
}

/** "did you mean `x`?" of a name that is near, or of up to three that hold it, are held in it, or have it for their initials. */
export function meant(wrong: string, known: Iterable<string>): string | undefined {
  const names = [...new Set(known)];
  const near = nearest(wrong, names);
  const likely = near === undefined ? names.filter((name) => isRelated(simplified(wrong), name)) : [near];
  return likely.length === 0 || likely.length > 3 ? undefined : `did you mean ${likely.map((name) => `\`${name}\``).join(" or ")}?`;
}

/** Fewer letters than these are in many names by chance. */
const leastShared = 3;

function isRelated(wrong: string, name: string): boolean {
  const whole = simplified(name);
  if (Math.min(wrong.length, whole.length) >= leastShared && (whole.includes(wrong) || wrong.includes(whole))) return true;
  const parts = name.split(/[-_ ]|(?=[A-Z])/);
  return parts.length > 1 && simplified(parts.map((part) => part.charAt(0)).join("")) === wrong;
}

const simplified = (name: string): string => name.toLowerCase().replace(/[-_ ]/g, "");
