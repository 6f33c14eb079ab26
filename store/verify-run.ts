import { sha256 } from "../foundation/canonical.js";
import type { LedgerEntry } from "../schemas/events.js";
import { planSchema } from "../schemas/plan.js";
import { checkLedger, type StoreFault } from "./chain.js";
import { entriesOf } from "./chronicle.js";
import { guarded, readBytesIfThere } from "./files.js";
import { parseJson } from "./records.js";
import { Runs } from "./runs.js";
import type { Store } from "./store.js";

export interface Findings {
  readonly faults: StoreFault[];
  /** What a crash leaves at places where it does no harm. */
  readonly notes: string[];
}

/** A run's ledger, its record and its plans, each against the others. */
export async function checkRun(store: Store, run: string): Promise<Findings & { readonly entries: readonly LedgerEntry[] }> {
  const ledger = await checkLedger(run, store.ledger);
  const findings: Findings = { faults: [...ledger.faults], notes: [...ledger.notes] };
  const { entries } = ledger;
  const recorded = await checkRecord(store, run, entries, findings);
  if (entries.length === 0 && ledger.faults.length === 0) {
    if (recorded) findings.faults.push({ file: store.ledger.path(run), found: "the ledger is missing", expected: `the ledger of run ${run}` });
    else findings.notes.push(`${store.runs.directory(run)} holds no run: its submission was cut short`);
  }
  await checkPlans(store, run, entries, findings);
  return { ...findings, entries };
}

/** Gives whether there is a record at all. */
async function checkRecord(store: Store, run: string, entries: readonly LedgerEntry[], { faults, notes }: Findings): Promise<boolean> {
  const file = store.runs.recordPath(run);
  const bytes = await guarded(() => readBytesIfThere(file));
  const [submitted] = entriesOf(entries, "run-submitted");
  const resumes = entriesOf(entries, "run-resumed");
  const attempts = resumes.at(-1)?.event.attempt ?? 1;
  const planDigest = planDigests(entries).at(-1);
  const expected = `the record of ${run}, submitted by ${submitted?.event.actor ?? "somebody"}, attempt ${attempts}, plan ${planDigest ?? "unknown"}`;
  if (bytes === undefined) {
    if (entries.length > 1) faults.push({ file, found: "is missing", expected });
    else if (entries.length === 1) notes.push(`${file} is not there: the submission was cut short before it was written, or it was removed`);
    return false;
  }
  const text = Buffer.from(bytes).toString();
  const record = Runs.recordIn(text);
  if (record === undefined || !Buffer.from(text).equals(bytes)) faults.push({ file, found: "has been changed", expected });
  else if (submitted !== undefined) {
    const named = record.id === run && record.name === submitted.event.name && record.actor === submitted.event.actor;
    // The record is written before the ledger's line about a resume: a kill in between leaves it ahead, never behind.
    const known = record.planDigest === planDigest || !planDigests(entries).includes(record.planDigest);
    if (!named || record.attempts < attempts || !known) faults.push({ file, found: "is not what the ledger says", expected });
    else if (record.attempts > attempts || record.planDigest !== planDigest) notes.push(`${file} knows of an attempt that ended before the ledger was told`);
  }
  return true;
}

async function checkPlans(store: Store, run: string, entries: readonly LedgerEntry[], { faults }: Findings): Promise<void> {
  const there = await store.runs.planDigests(run);
  for (const digest of new Set([...planDigests(entries), ...there])) {
    const file = store.runs.planPath(run, digest);
    const bytes = await guarded(() => readBytesIfThere(file));
    const expected = `the plan with SHA-256 ${digest}`;
    if (bytes === undefined || sha256(bytes) !== digest) {
      faults.push({ file, found: bytes === undefined ? "is missing" : `has SHA-256 ${sha256(bytes)}`, expected });
      continue;
    }
    const plan = planSchema.safeParse(parseJson(Buffer.from(bytes).toString())).data;
    if (plan === undefined) faults.push({ file, found: "is no plan", expected });
    else if (sha256(plan.spec) !== plan.specDigest) faults.push({ file, found: "holds another spec than its digest says", expected: `a spec with SHA-256 ${plan.specDigest}` });
  }
}

/** Digests of the plans that a run has had, in order. */
export function planDigests(entries: readonly LedgerEntry[]): string[] {
  return entriesOf(entries, "run-submitted", "run-resumed").flatMap(({ event }) => {
    const planned = event.type === "run-submitted" ? event.planDigest : event.plan?.planDigest;
    return planned === undefined ? [] : [planned];
  });
}
