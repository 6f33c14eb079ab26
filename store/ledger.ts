import { open, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { canonicalJson, digestOf } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import { makeFolder } from "../foundation/files.js";
import { entrySchema, type LedgerEntry, type LedgerEvent } from "../schemas/events.js";
import { checkLedger, headFault, noHash } from "./chain.js";
import { guarded, namesIn, readIfThere, verifyHint, writeWhole } from "./files.js";
import { withLock } from "./lock.js";

/** A run's append-only record, `ledger/<run>.jsonl`: one line of canonical JSON an event, each with the hash of the one before. */
export class Ledger {
  constructor(private readonly home: string) {}

  /** Appends events, safe with several writer processes; they are on the disk when the promise resolves. */
  async append(run: string, ...events: readonly LedgerEvent[]): Promise<void> {
    await this.write(run, () => events);
  }

  /** Appends what `decide` makes of the events so far, with nothing appended in between; gives what it made. */
  async extend(run: string, decide: (entries: readonly LedgerEntry[]) => readonly LedgerEvent[]): Promise<readonly LedgerEvent[]> {
    return this.write(run, (known, entryAt) => decide(known.map((_, index) => entryAt(index))));
  }

  /** The events of a run in order; none for an unknown run. Throws TL_STORE_CORRUPT for a line that can't be read, and where the newest are missing. */
  async read(run: string): Promise<LedgerEntry[]> {
    // The head first: what is appended meanwhile makes it no more than old.
    const head = await guarded(() => readIfThere(this.headPath(run)));
    const { text } = splitTorn(await guarded(() => readIfThere(this.path(run))) ?? "");
    const entries = lines(text).map((line, index) => this.entryIn(run, line, index));
    this.refuseLoss(run, head, entries.length, (index) => entries[index]?.hash);
    return entries;
  }

  /** Walks a run's chain and says everything that is wrong with it; nothing when it is whole. */
  async verify(run: string): Promise<string[]> {
    const { faults } = await checkLedger(run, this);
    return faults.map(({ found }) => found);
  }

  /** Names of all runs that have a ledger. */
  async runs(): Promise<string[]> {
    const names = await guarded(() => namesIn(join(this.home, "ledger")));
    return names.filter((name) => /^[\w-]+\.jsonl$/.test(name)).map((name) => name.slice(0, -".jsonl".length));
  }

  path(run: string): string {
    return join(this.home, "ledger", `${run}.jsonl`);
  }

  private write(run: string, decide: (known: readonly string[], entryAt: (index: number) => LedgerEntry) => readonly LedgerEvent[]): Promise<readonly LedgerEvent[]> {
    return withLock(`${this.path(run)}.lock`, () => guarded(async () => {
      await makeFolder(dirname(this.path(run)));
      const file = await open(this.path(run), "a+");
      try {
        const { text, torn } = splitTorn(await file.readFile("utf8"));
        const known = lines(text);
        const entryAt = (index: number) => this.entryIn(run, known[index]!, index);
        // What is appended takes the head along, and with it the only trace of lines that are gone.
        this.refuseLoss(run, await readIfThere(this.headPath(run)), known.length, (index) => entryAt(index).hash);
        // A line that a crash cut short was never acknowledged to anybody: the chain goes on before it.
        if (torn) await file.truncate(Buffer.byteLength(text));
        const events = decide(known, entryAt);
        if (events.length === 0) return events;
        let last = known.length === 0 ? undefined : entryAt(known.length - 1);
        const added = events.map((event) => {
          last = link(run, event, last);
          return `${canonicalJson(last)}\n`;
        });
        await writeAll(file, added.join(""));
        if (last !== undefined) await writeWhole(this.headPath(run), JSON.stringify({ sequence: last.sequence, hash: last.hash }));
        return events;
      } finally {
        await file.close();
      }
    }));
  }

  private entryIn(run: string, line: string, index: number): LedgerEntry {
    try {
      return entrySchema.parse(JSON.parse(line));
    } catch (error) {
      throw new TruelineError("TL_STORE_CORRUPT", `${this.path(run)}:${index + 1} is no ledger entry.`, { ...verifyHint(run), cause: error });
    }
  }

  /** Errors: TL_STORE_CORRUPT where the newest hash, kept apart, is not among those of the lines that are there. */
  private refuseLoss(run: string, head: string | undefined, count: number, hashAt: (index: number) => string | undefined): void {
    const fault = head === undefined ? undefined : headFault(head, count, hashAt);
    if (fault !== undefined) throw new TruelineError("TL_STORE_CORRUPT", `${this.path(run)}: ${fault.found}.`, verifyHint(run));
  }

  /** Where the chain's newest hash is kept apart, so that lines missing from the end are noticed. */
  headPath(run: string): string {
    return join(this.home, "ledger", `${run}.head`);
  }
}

function link(run: string, event: LedgerEvent, last: LedgerEntry | undefined): LedgerEntry {
  const entry = { run, sequence: (last?.sequence ?? -1) + 1, at: new Date().toISOString(), previous: last?.hash ?? noHash, event };
  // What could not be read again must not be written: one such line would close the run to everybody.
  return entrySchema.parse({ ...entry, hash: digestOf(entry) });
}

function splitTorn(all: string): { text: string; torn: boolean } {
  const end = all.lastIndexOf("\n") + 1;
  return { text: all.slice(0, end), torn: end < all.length };
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

async function writeAll(file: FileHandle, text: string): Promise<void> {
  await file.appendFile(text);
  await file.sync();
}
