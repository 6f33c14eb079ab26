import { distance } from "fastest-levenshtein";

/** The known name that `wrong` most likely means, or undefined where none is near. Case differs for nothing. */
export function nearest(wrong: string, known: Iterable<string>): string | undefined {
  const limit = wrong.length < 3 ? 1 : Math.max(2, Math.floor(wrong.length * 0.4));
  const near = [...known]
    .map((name) => ({ name, steps: distance(simplified(wrong), simplified(name)) }))
    .filter(({ steps }) => steps <= limit)
    .sort((a, b) => a.steps - b.steps);
  return near[0]?.name;
}

/** "did you mean `x`?", or the names there are when none is near and they are few. */
export function suggestion(wrong: string, known: Iterable<string>): string | undefined {
  const names = [...new Set(known)];
  const near = nearest(wrong, names);
  if (near !== undefined) return `did you mean \`${near}\`?`;
  return names.length > 0 && names.length <= 12 ? `known: ${names.map((name) => `\`${name}\``).join(", ")}` : undefined;
}

const simplified = (name: string): string => name.toLowerCase().replace(/[-_ ]/g, "");
