import { canonicalJson, digestOf } from "../foundation/canonical.js";
import { entrySchema, type LedgerEntry } from "../schemas/events.js";
import { guarded, readBytesIfThere } from "./files.js";
import { parseJson } from "./records.js";

/** What stands for the hash of the line before the first. */
export const noHash = "0".repeat(64);

/** Something in the store that is not as it was written. */
export interface StoreFault {
  /** Path, with a line number where the file has lines. */
  readonly file: string;
  readonly found: string;
  readonly expected: string;
}

export interface CheckedLedger {
  readonly entries: readonly LedgerEntry[];
  readonly faults: readonly StoreFault[];
  /** What a crash leaves and the next event mends. */
  readonly notes: readonly string[];
}

/** Checks a run's ledger byte by byte: every line, the chain from line to line, and the newest hash that is kept apart. */
export async function checkLedger(run: string, at: { path(run: string): string; headPath(run: string): string }): Promise<CheckedLedger> {
  const [path, headPath] = [at.path(run), at.headPath(run)];
  // The head first: what is appended meanwhile makes it no more than old.
  const head = await guarded(() => readBytesIfThere(headPath));
  const bytes = await guarded(() => readBytesIfThere(path));
  return ledgerFaults(run, path, bytes, headPath, head);
}

/** What is wrong with the bytes of a ledger and of its newest hash. Pure. */
export function ledgerFaults(run: string, path: string, bytes: Uint8Array | undefined, headPath: string, head: Uint8Array | undefined): CheckedLedger {
  if (bytes === undefined) {
    return { entries: [], notes: [], faults: head === undefined ? [] : [{ file: path, found: "the ledger is missing", expected: `what ${headPath} is the newest hash of` }] };
  }
  const lines = linesOf(bytes);
  const chain = walk(run, path, lines.whole);
  const tail = tailFault(path, lines, chain.hashes.at(-1));
  // The head is written after the line: until then there is none for the first.
  const isNew = head === undefined && lines.whole.length === 1;
  return {
    entries: chain.entries, faults: [...chain.faults, ...tail.faults, ...isNew ? [] : headFaults(headPath, chain.hashes, head)],
    notes: [...tail.notes, ...isNew ? [`${headPath} is not there yet: a crash came between it and the ledger's first line, or it was removed`] : []],
  };
}

interface Lines {
  readonly whole: readonly Uint8Array[];
  /** What stands behind the last line's end. */
  readonly tail: Uint8Array;
}

const lineEnd = 0x0a;

function linesOf(bytes: Uint8Array): Lines {
  const whole: Uint8Array[] = [];
  let from = 0;
  for (let end = bytes.indexOf(lineEnd); end >= 0; end = bytes.indexOf(lineEnd, from)) {
    whole.push(bytes.subarray(from, end));
    from = end + 1;
  }
  return { whole, tail: bytes.subarray(from) };
}

/** Hashes of lines that can't be read are undefined. */
interface Chain {
  readonly entries: readonly LedgerEntry[];
  readonly hashes: readonly (string | undefined)[];
  readonly faults: readonly StoreFault[];
}

function walk(run: string, path: string, lines: readonly Uint8Array[]): Chain {
  const faults: StoreFault[] = [];
  const entries: LedgerEntry[] = [];
  const hashes: (string | undefined)[] = [];
  for (const [index, line] of lines.entries()) {
    const number = index + 1;
    const tell = (found: string, expected: string) => faults.push({ file: `${path}:${number}`, found, expected });
    const entry = entryIn(line);
    const before = index === 0 ? noHash : hashes[index - 1];
    hashes.push(entry?.hash);
    if (entry === undefined) {
      tell(`line ${number} can't be read`, "an event as canonical JSON");
      continue;
    }
    entries.push(entry);
    const place = `line ${number} (${entry.event.type})`;
    const { hash, ...rest } = entry;
    const computed = digestOf(rest);
    if (entry.run !== run) tell(`${place} belongs to run ${entry.run}`, `run ${run}`);
    if (entry.sequence !== index) tell(`${place} has sequence ${entry.sequence}, not ${index}`, `sequence ${index}`);
    if (before !== undefined && entry.previous !== before) tell(`${place} does not follow the line before it`, `previous ${before}`);
    if (hash !== computed || !Buffer.from(canonicalJson(entry)).equals(line)) tell(`${place} has been changed`, `hash ${computed} over the canonical JSON of the line`);
  }
  return { entries, hashes, faults };
}

/** The entry in a line, whether or not its bytes are exact. */
function entryIn(line: Uint8Array): LedgerEntry | undefined {
  return entrySchema.safeParse(parseJson(Buffer.from(line).toString())).data;
}

/** A line that a crash cut short was never acknowledged; a whole one whose end is damaged was. */
function tailFault(path: string, { whole, tail }: Lines, last: string | undefined): { faults: StoreFault[]; notes: string[] } {
  if (tail.length === 0) return { faults: [], notes: [] };
  const cut = entryIn(tail.subarray(0, -1));
  if (cut !== undefined && cut.previous === (last ?? noHash)) {
    return { faults: [{ file: `${path}:${whole.length + 1}`, found: "the end of the last line has been changed", expected: "a line feed" }], notes: [] };
  }
  return { faults: [], notes: [`${path} ends in ${tail.length} bytes of a line that a crash cut short; the next event takes their place`] };
}

function headFaults(path: string, hashes: readonly (string | undefined)[], bytes: Uint8Array | undefined): StoreFault[] {
  const expected = `{"sequence":${hashes.length - 1},"hash":"${hashes.at(-1) ?? "of the last line"}"}`;
  if (bytes === undefined) return hashes.length === 0 ? [] : [{ file: path, found: "the record of the newest hash is missing", expected }];
  const fault = headFault(Buffer.from(bytes).toString(), hashes.length, (index) => hashes[index]);
  return fault === undefined ? [] : [{ file: path, found: fault.found, expected: fault.expected ?? expected }];
}

/**
 * What is wrong with a ledger of so many lines by the record of its newest hash; undefined where nothing is.
 * `hashAt`: the hash of the line at an index.
 */
export function headFault(text: string, lines: number, hashAt: (index: number) => string | undefined): { readonly found: string; readonly expected?: string } | undefined {
  const head = /^\{"sequence":(0|[1-9]\d*),"hash":"([0-9a-f]{64})"\}$/.exec(text);
  if (head === null) return { found: "the record of the newest hash can't be read" };
  const [sequence, hash] = [Number(head[1]), head[2]];
  // A crash between line and head leaves the head one append behind, never ahead.
  if (sequence >= lines) return { found: `lines are missing from the end: the newest was number ${sequence + 1}, there are ${lines}`, expected: `a line with hash ${hash}` };
  return hashAt(sequence) === hash ? undefined : { found: `the newest hash is not that of line ${sequence + 1}` };
}
