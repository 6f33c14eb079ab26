import { setTimeout as sleep } from "node:timers/promises";
import type { LedgerEntry } from "../schemas/events.js";
import { TruelineError } from "../foundation/errors.js";
import type { StoreFault } from "./chain.js";
import { entriesOf, inOrder } from "./chronicle.js";
import type { Store } from "./store.js";
import { artifactFaults, type OnFile } from "./verify-artifact.js";
import { checkCheckpoints, checkResult, entriesByKey } from "./verify-key.js";
import { checkRun, type Findings } from "./verify-run.js";

export interface Verification {
  readonly runs: readonly VerifiedRun[];
  readonly faults: readonly StoreFault[];
  /** What a crash leaves at places where it does no harm. */
  readonly notes: readonly string[];
  readonly artifacts: number;
}

export interface VerifiedRun {
  readonly run: string;
  readonly lines: number;
  /** Hash of the ledger's newest line: kept elsewhere, it shows a ledger that was rewritten as a whole. */
  readonly head?: string;
}

/** What to look at: these runs with all that they name, or the whole store. `onFile` is called before a big file is read. */
export interface Scope {
  readonly runs?: readonly string[];
  /** A hash noted earlier that the ledger of the one run must still have. */
  readonly head?: string;
  readonly onFile?: OnFile;
  /** How long a write under way may take to be whole. */
  readonly settleMilliseconds?: number;
}

/**
 * Checks everything that lasts against the digests that name it: ledgers, plans, records, results, checkpoints, and every
 * byte of every artifact. Changes nothing. Errors: TL_STORE_MISSING for a run that the store has nothing of.
 */
export async function verifyStore(store: Store, { runs, head, onFile = () => undefined, settleMilliseconds = 300 }: Scope = {}): Promise<Verification> {
  const all = [...new Set([...await store.ledger.runs(), ...await store.runs.ids()])].sort();
  for (const run of runs ?? []) if (!all.includes(run)) await unknown(store, run);
  const first = await look(store, all, runs, onFile);
  // Where somebody works, files change between two looks: what was only on its way is whole the next time.
  const found = first.findings.faults.length === 0 ? first : await sleep(settleMilliseconds).then(() => look(store, all, runs, onFile));
  const { entries, findings: { faults, notes } } = found;
  if (head !== undefined) faults.push(...headFaults(store, runs ?? [], entries, head));
  const named = namedArtifacts([...entries.values()].flat());
  const there = new Set(await store.artifacts.digests());
  const asked = [...named].filter(([, { runs: by }]) => runs?.some((run) => by.has(run)) ?? true).map(([digest]) => digest);
  const digests = [...new Set([...asked, ...runs === undefined ? there : []])].sort();
  for (const digest of digests) {
    const isGone = !there.has(digest) && named.get(digest)?.mayBeGone === true;
    const wrong = isGone ? [] : await artifactFaults(store.artifacts, digest, onFile);
    const makers = named.get(digest)?.by;
    faults.push(...wrong.map((fault) => makers === undefined ? fault : { ...fault, expected: `${fault.expected}, of ${makers.join(", ")}` }));
    if (!named.has(digest) && runs === undefined) notes.push(`${store.artifacts.directory(digest)} is in no ledger; \`trueline gc\` removes it`);
  }
  return {
    faults, notes, artifacts: digests.length,
    runs: (runs ?? all).map((run) => ({ run, lines: entries.get(run)?.length ?? 0, head: entries.get(run)?.at(-1)?.hash })),
  };
}

interface Look {
  readonly entries: ReadonlyMap<string, readonly LedgerEntry[]>;
  readonly findings: Findings;
}

/** Everything but the artifacts, which never change once they are there. */
async function look(store: Store, all: readonly string[], runs: readonly string[] | undefined, onFile: OnFile): Promise<Look> {
  const findings: Findings = { faults: [], notes: [] };
  const entries = new Map<string, readonly LedgerEntry[]>();
  for (const run of all) {
    const checked = await checkRun(store, run);
    entries.set(run, checked.entries);
    if (runs !== undefined && !runs.includes(run)) continue;
    findings.faults.push(...checked.faults);
    findings.notes.push(...checked.notes);
  }
  const byKey = entriesByKey([...entries.values()].flat());
  const keys = runs === undefined
    ? [...byKey.keys(), ...await store.results.keys(), ...await store.checkpoints.keys()]
    : [...entriesByKey(runs.flatMap((run) => entries.get(run) ?? [])).keys()];
  for (const key of new Set(keys)) {
    await checkResult(store, key, byKey.get(key) ?? [], findings);
    await checkCheckpoints(store, key, byKey.get(key) ?? [], findings, onFile);
  }
  return { entries, findings };
}

interface NamedArtifact {
  readonly by: readonly string[];
  readonly runs: ReadonlySet<string>;
  /** `gc` has removed it since, or an attempt has set it aside because it was damaged. */
  readonly mayBeGone: boolean;
}

/** Artifacts that ledgers name, with the stages that made or used them. */
function namedArtifacts(entries: readonly LedgerEntry[]): Map<string, NamedArtifact> {
  const named = new Map<string, NamedArtifact>();
  const told = entriesOf(inOrder(entries), "stage-finished", "stage-reused", "stage-set-aside", "artifact-removed");
  for (const { run, event: { type, stage, artifact } } of told) {
    if (artifact === undefined) continue;
    const { by = [], runs = [] } = named.get(artifact) ?? {};
    const mayBeGone = type === "stage-set-aside" || type === "artifact-removed";
    named.set(artifact, { by: [...new Set([...by, `${run}/${stage}`])], runs: new Set([...runs, run]), mayBeGone });
  }
  return named;
}

function headFaults(store: Store, runs: readonly string[], entries: Look["entries"], head: string): StoreFault[] {
  return runs.filter((run) => !entries.get(run)?.some(({ hash }) => hash === head)).map((run) => ({
    file: store.ledger.path(run), found: "has no line with the hash that was noted", expected: `a line with hash ${head}`,
  }));
}

async function unknown(store: Store, run: string): Promise<never> {
  await store.runs.read(run);
  throw new TruelineError("TL_STORE_MISSING", `There is no run "${run}" in ${store.home}.`, { hint: "`trueline runs` lists the runs." });
}
