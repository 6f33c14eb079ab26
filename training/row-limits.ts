import { mapped, SpilledRows, tokensCodec, type Rows } from "../data/row-list.js";
import type { Message, Source } from "../data/types.js";
import { Breath } from "../foundation/breath.js";
import { TruelineError } from "../foundation/errors.js";
import { isTenth } from "../foundation/progress.js";
import type { TrainerSetup } from "./trainer.js";

export interface RowLimits {
  readonly maxTokens?: number;
  readonly tooLong: "drop" | "cut";
  readonly maxTooLongShare: number;
}

export interface FittedRows<Row, Encoded> {
  readonly rows: Rows<Encoded>;
  /** What they were encoded from, cut as they were. */
  readonly originals: Rows<Row>;
  /** For each, which of the rows given it was; ascending. */
  readonly places: Rows<number>;
  readonly counts: { readonly used: number; readonly dropped: number; readonly cut: number };
}

/** How rows are encoded, kept, measured in tokens, and made shorter; `cut` gives undefined when no turn can go. */
export interface RowFitting<Row, Encoded> {
  encode(row: Row): Encoded;
  toTokens(encoded: Encoded): readonly Int32Array[];
  fromTokens(lists: readonly Int32Array[]): Encoded;
  length(encoded: Encoded): number;
  cut(row: Row): Row | undefined;
}

/**
 * Encodes rows and drops or cuts those longer than `maxTokens` and the model's `context`. A row that stays too long
 * after its last cut is dropped. What is long stays on disk, in `folder`. Timers keep ticking meanwhile. Errors: TL_DATA_TOO_LONG when more than `maxTooLongShare` of the rows are too long.
 */
export async function fitRows<Row extends { readonly source: Source }, Encoded>(
  rows: Rows<Row>, limits: RowLimits, context: number, fitting: RowFitting<Row, Encoded>, { folder, onProgress }: FitOptions = {},
): Promise<FittedRows<Row, Encoded>> {
  const longest = Math.min(limits.maxTokens ?? context, context);
  // Each with its place among the rows, and how often it was cut.
  const fitted = new SpilledRows(tokensCodec, folder);
  const tooLong: TooLong = { count: 0, first: undefined, longest: 0 };
  const breath = new Breath(1);
  let place = 0;
  for (const row of rows) {
    if (breath.due()) await breath.take();
    if (isTenth(place, rows.length)) onProgress?.(place, rows.length);
    let encoded = fitting.encode(row);
    let cuts = 0;
    const index = place++;
    const tokens = fitting.length(encoded);
    if (tokens > longest) {
      tooLong.count++;
      tooLong.first ??= row.source;
      tooLong.longest = Math.max(tooLong.longest, tokens);
      let shorter = limits.tooLong === "cut" ? fitting.cut(row) : undefined;
      while (shorter !== undefined) {
        cuts++;
        if (fitting.length(encoded = fitting.encode(shorter)) <= longest) break;
        shorter = fitting.cut(shorter);
      }
      if (shorter === undefined) continue;
    }
    fitted.push([Int32Array.of(index, cuts), ...fitting.toTokens(encoded)]);
  }
  if (tooLong.count > limits.maxTooLongShare * rows.length) throw tooManyTooLong(tooLong, rows.length, longest, limits);
  const dropped = rows.length - fitted.length;
  return {
    rows: mapped(fitted, ([, ...lists]) => fitting.fromTokens(lists)),
    originals: mapped(fitted, ([where]) => {
      let row = rows.at(where![0]!)!;
      for (let cuts = 0; cuts < where![1]!; cuts++) row = fitting.cut(row)!;
      return row;
    }),
    places: mapped(fitted, ([where]) => where![0]!),
    counts: { used: fitted.length, dropped, cut: tooLong.count - dropped },
  };
}

export interface FitOptions {
  /** Where rows go that memory should not hold; default: the system's folder for temporary files. */
  readonly folder?: string;
  readonly onProgress?: (rows: number, of: number) => void;
}

/** Options of a stage's setup; `what` is encoded. */
export function fitOptions({ scratch, phase }: Pick<TrainerSetup<unknown>, "scratch" | "phase">, what: string): FitOptions {
  return { folder: scratch, onProgress: (rows, of) => phase(`encoding ${what}: ${rows} of ${of}`) };
}

interface TooLong {
  count: number;
  first: Source | undefined;
  /** Tokens. */
  longest: number;
}

/** A dialogue without its first exchange; a leading system message stays. Undefined when one exchange is all there is. */
export function cutFirstExchange(messages: readonly Message[]): readonly Message[] | undefined {
  const start = messages[0]?.role === "system" ? 1 : 0;
  const second = messages.findIndex((message, index) => index > start && message.role === "user");
  return second < 0 ? undefined : [...messages.slice(0, start), ...messages.slice(second)];
}

function tooManyTooLong(tooLong: TooLong, rows: number, longest: number, limits: RowLimits): TruelineError {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const { file, line } = tooLong.first!;
  return new TruelineError(
    "TL_DATA_TOO_LONG",
    `${tooLong.count} of ${rows} rows (${percent(tooLong.count / rows)}) are longer than ${longest} tokens; at most `
    + `${percent(limits.maxTooLongShare)} may be. The longest has ${tooLong.longest}, the first is at ${file}:${line}.`,
    {
      hint: `Raise maxTokens or the model's context to ${tooLong.longest}, `
        + `${limits.tooLong === "drop" ? "cut rows with \"tooLong\": \"cut\", " : ""}or raise maxTooLongShare.`,
    },
  );
}
