import type { Message, Source } from "../data/types.js";
import { Breath } from "../foundation/breath.js";
import { TruelineError } from "../foundation/errors.js";

export interface RowLimits {
  readonly maxTokens?: number;
  readonly tooLong: "drop" | "cut";
  readonly maxTooLongShare: number;
}

export interface FittedRows<Encoded> {
  readonly rows: readonly Encoded[];
  readonly counts: { readonly used: number; readonly dropped: number; readonly cut: number };
}

/** How rows are encoded, measured in tokens, and made shorter; `cut` gives undefined when no turn can go. */
export interface RowFitting<Row, Encoded> {
  encode(row: Row): Encoded;
  length(encoded: Encoded): number;
  cut(row: Row): Row | undefined;
}

/**
 * Encodes rows and drops or cuts those longer than `maxTokens` and the model's `context`. A row that stays too long
 * after its last cut is dropped. Timers keep ticking meanwhile. Errors: TL_DATA_TOO_LONG when more than `maxTooLongShare` of the rows are too long.
 */
export async function fitRows<Row extends { readonly source: Source }, Encoded>(
  rows: readonly Row[], limits: RowLimits, context: number, fitting: RowFitting<Row, Encoded>,
): Promise<FittedRows<Encoded>> {
  const longest = Math.min(limits.maxTokens ?? context, context);
  const fitted: Encoded[] = [];
  const tooLong: { readonly source: Source; readonly tokens: number }[] = [];
  const breath = new Breath(1);
  for (const row of rows) {
    if (breath.due()) await breath.take();
    let encoded = fitting.encode(row);
    if (fitting.length(encoded) > longest) {
      tooLong.push({ source: row.source, tokens: fitting.length(encoded) });
      let shorter = limits.tooLong === "cut" ? fitting.cut(row) : undefined;
      while (shorter !== undefined && fitting.length(encoded = fitting.encode(shorter)) > longest) shorter = fitting.cut(shorter);
      if (shorter === undefined) continue;
    }
    fitted.push(encoded);
  }
  if (tooLong.length > limits.maxTooLongShare * rows.length) throw tooManyTooLong(tooLong, rows.length, longest, limits);
  const dropped = rows.length - fitted.length;
  return { rows: fitted, counts: { used: fitted.length, dropped, cut: tooLong.length - dropped } };
}

/** A dialogue without its first exchange; a leading system message stays. Undefined when one exchange is all there is. */
export function cutFirstExchange(messages: readonly Message[]): readonly Message[] | undefined {
  const start = messages[0]?.role === "system" ? 1 : 0;
  const second = messages.findIndex((message, index) => index > start && message.role === "user");
  return second < 0 ? undefined : [...messages.slice(0, start), ...messages.slice(second)];
}

function tooManyTooLong(
  tooLong: readonly { readonly source: Source; readonly tokens: number }[], rows: number, longest: number, limits: RowLimits,
): TruelineError {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const lengths = tooLong.map(({ tokens }) => tokens).sort((a, b) => a - b);
  const { file, line } = tooLong[0]!.source;
  return new TruelineError(
    "TL_DATA_TOO_LONG",
    `${tooLong.length} of ${rows} rows (${percent(tooLong.length / rows)}) are longer than ${longest} tokens; at most `
    + `${percent(limits.maxTooLongShare)} may be. The longest has ${lengths.at(-1)!}, the first is at ${file}:${line}.`,
    {
      hint: `Raise maxTokens or the model's context to ${lengths.at(-1)!}, `
        + `${limits.tooLong === "drop" ? "cut rows with \"tooLong\": \"cut\", " : ""}or raise maxTooLongShare.`,
    },
  );
}
