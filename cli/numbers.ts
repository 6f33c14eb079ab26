import { z } from "zod";

/** A whole number in an option's value, as the words of a message have it: "a whole number from 1 to 65535". */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER) {
  const words = most === Number.MAX_SAFE_INTEGER ? `a whole number, ${least} or more` : `a whole number from ${least} to ${most}`;
  const tooLarge = `a whole number from ${least} to ${most}`;
  return z.string(words).regex(/^\d+$/, words).transform(Number).pipe(z.number(tooLarge).min(least, words).max(most, tooLarge));
}

/** A decimal number in an option's value that `fits`, which `words` say. */
export function decimalNumber(words: string, fits: (value: number) => boolean) {
  return z.string(words).regex(/^-?(\d+\.?\d*|\.\d+)(e-?\d+)?$/i, words).transform(Number).refine((value) => Number.isFinite(value) && fits(value), words);
}
