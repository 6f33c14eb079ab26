import { z } from "zod";
import { TruelineError } from "../../foundation/errors.js";

/** Bounds of what a data file may ask of memory and time. Text compresses 3 to 30 times; only a bomb goes far beyond. */
export const dataLimits = z.strictObject({
  /** Of a line, a row of csv, an element of a JSON array. */
  lineBytes: z.number(),
  /** Decompressed bytes in all. */
  totalBytes: z.number(),
  /** Decompressed over compressed bytes, once `freeBytes` are decompressed. */
  ratio: z.number(),
  freeBytes: z.number(),
  /** Uncompressed bytes of a parquet file's row group, which is decoded at once. */
  groupBytes: z.number(),
  /** Values in a column of a row group. */
  groupValues: z.number(),
});
export type DataLimits = Readonly<z.output<typeof dataLimits>>;

export const defaultLimits: DataLimits = {
  lineBytes: 16 * 2 ** 20, totalBytes: 8 * 2 ** 30, ratio: 200, freeBytes: 64 * 2 ** 20, groupBytes: 512 * 2 ** 20, groupValues: 2 ** 24,
};

/** Name of the variable that multiplies the limits. */
const factorName = "TRUELINE_DATA_LIMIT_FACTOR";

/** The limits as the environment has them. Errors: TL_USAGE. */
export function limitsNow(): DataLimits {
  const factor = Number(process.env[factorName] ?? 1);
  if (!(factor >= 1 && factor <= 1000)) throw new TruelineError("TL_USAGE", `${factorName} is ${JSON.stringify(process.env[factorName])}; it is a number from 1 to 1000.`);
  const { lineBytes, totalBytes, ratio, freeBytes, groupBytes, groupValues } = defaultLimits;
  return {
    lineBytes: lineBytes * factor, totalBytes: totalBytes * factor, ratio: ratio * factor, freeBytes: freeBytes * factor,
    groupBytes: groupBytes * factor, groupValues: groupValues * factor,
  };
}

/** A file that goes past a limit. `instead`: what could be done besides raising it. */
export function tooMuch(path: string, what: string, instead = "Check that it is the file that was meant: one JSON object a line, or plain text with line ends. Split it"): TruelineError {
  return unreadable(path, `is refused: ${what}`, { hint: `${instead}, or raise the limits: ${factorName}=10 allows ten times as much.` });
}

/** A file that can't be read; `why` follows its path, such as "can't be read: …". */
export function unreadable(path: string, why: string, options: { readonly hint?: string; readonly cause?: unknown } = {}): TruelineError {
  return new TruelineError("TL_DATA_UNREADABLE", `${path} ${why}.`, options);
}

export function megabytes(bytes: number): string {
  return bytes < 2 ** 20 ? `${bytes} bytes` : `${Math.round(bytes / 2 ** 20)} MiB`;
}
