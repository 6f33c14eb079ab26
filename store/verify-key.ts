import { join } from "node:path";
import { canonicalJson, digestOf } from "../foundation/canonical.js";
import { resultSchema, type StageResult } from "../schemas/artifact.js";
import type { LedgerEntry, LedgerEvent } from "../schemas/events.js";
import { checkpointFile, checkpointIn, type CheckpointManifest } from "./checkpoints.js";
import { guarded, readBytesIfThere } from "./files.js";
import { unsealed } from "./records.js";
import { inOrder } from "./chronicle.js";
import type { Store } from "./store.js";
import { directoryFaults, type OnFile } from "./verify-artifact.js";
import type { Findings } from "./verify-run.js";

type KeyedEvent = Extract<LedgerEvent, { readonly key: string }>;

/** What happened to a stage's key, in whichever run. */
export interface KeyedEntry {
  readonly run: string;
  readonly at: string;
  readonly event: KeyedEvent;
}

/** Everything that happened to each key, oldest first. */
export function entriesByKey(entries: readonly LedgerEntry[]): Map<string, KeyedEntry[]> {
  const keyed = inOrder(entries).flatMap(({ run, at, event }) => "key" in event ? [{ run, at, event }] : []);
  const byKey = new Map<string, KeyedEntry[]>();
  for (const entry of keyed) byKey.set(entry.event.key, [...byKey.get(entry.event.key) ?? [], entry]);
  return byKey;
}

/** A key's result against the ledger of the run that it names. */
export async function checkResult(store: Store, key: string, entries: readonly KeyedEntry[], { faults, notes }: Findings): Promise<void> {
  const file = store.results.path(key);
  const bytes = await guarded(() => readBytesIfThere(file));
  const settled = lastOf(entries, ["stage-finished", "stage-reused", "stage-set-aside", "artifact-removed"]);
  const inForce = settled?.event.type === "stage-finished" || settled?.event.type === "stage-reused" ? settled : undefined;
  const expected = inForce === undefined ? `the result of a stage with key ${key}` : `the result of ${inForce.run}/${inForce.event.stage}`;
  if (bytes === undefined) {
    if (inForce !== undefined) faults.push({ file, found: "is missing", expected });
    return;
  }
  const text = Buffer.from(bytes).toString();
  const result = unsealed(text, resultSchema);
  if (result === undefined || result.key !== key || !Buffer.from(text).equals(bytes)) {
    faults.push({ file, found: "has been changed", expected });
    return;
  }
  const told = lastOf(entries.filter(({ run }) => run === result.run), ["stage-finished", "stage-reused", "stage-set-aside"]);
  if (told === undefined || told.event.type === "stage-set-aside") {
    // The result comes before the ledger's line about it.
    if (entries.some(({ run, event }) => run === result.run && event.type === "stage-started")) notes.push(`${file} is not in the ledger of run ${result.run} yet`);
    else faults.push({ file, found: `names run ${result.run}, whose ledger knows nothing of it`, expected });
  } else if (!agrees(result, told.event)) {
    faults.push({ file, found: "is not what the ledger says", expected: `${told.event.stage} of run ${told.run}: ${canonicalJson(told.event)}` });
  }
}

function agrees({ stage, artifact, figures, seconds }: StageResult, event: KeyedEvent): boolean {
  const same = (told: unknown, recorded: unknown): boolean => canonicalJson(told) === canonicalJson(recorded);
  switch (event.type) {
    case "stage-finished": return same([event.stage, event.artifact, event.figures, event.seconds], [stage, artifact, figures, seconds]);
    case "stage-reused": return same([event.artifact, event.figures], [artifact, figures]);
    default: return false;
  }
}

/** Checkpoints of a key against the ledgers of the runs that saved them; the newest that they tell of must be there. */
export async function checkCheckpoints(store: Store, key: string, entries: readonly KeyedEntry[], { faults, notes }: Findings, onFile: OnFile): Promise<void> {
  const places = await store.checkpoints.places(key);
  const newest = expectedCheckpoint(entries);
  if (newest !== undefined && !places.some(({ step }) => step === newest.step)) {
    faults.push({
      file: join(store.checkpoints.folder(key), String(newest.step)), found: "is missing",
      expected: `the checkpoint of ${newest.run}/${newest.stage} with digest ${newest.checkpoint}`,
    });
  }
  for (const { name, step, course } of places) {
    const directory = join(store.checkpoints.folder(key), name);
    const file = join(directory, checkpointFile);
    const bytes = await guarded(() => readBytesIfThere(file));
    const text = Buffer.from(bytes ?? []).toString();
    const manifest = checkpointIn(text);
    const expected = `the manifest of the checkpoint after step ${step} of key ${key}`;
    if (bytes === undefined || manifest === undefined || manifest.key !== key || manifest.step !== step || (manifest.course ?? 0) !== course || !Buffer.from(text).equals(bytes)) {
      faults.push({ file, found: bytes === undefined ? "is missing" : "has been changed", expected });
      continue;
    }
    if (!isTold(manifest, entries)) {
      if (mayBeNew(manifest, entries)) notes.push(`${directory} is not in the ledger of run ${manifest.run} yet`);
      else faults.push({ file, found: `has digest ${digestOf(manifest)}, which the ledger of run ${manifest.run} does not know`, expected });
    }
    faults.push(...await guarded(() => directoryFaults(directory, manifest.files, checkpointFile, onFile)));
  }
}

/** The checkpoint from which the next attempt at a key would go on, as far as the ledgers tell. */
function expectedCheckpoint(entries: readonly KeyedEntry[]): { run: string; stage: string; step: number; checkpoint: string } | undefined {
  const saved = new Map<number, { run: string; stage: string; step: number; checkpoint: string }>();
  let newest: number | undefined;
  for (const { run, event } of entries) {
    switch (event.type) {
      case "checkpoint-saved":
        newest = event.step;
        saved.set(event.step, { run, stage: event.stage, step: event.step, checkpoint: event.checkpoint });
        break;
      case "stage-started":
        newest = event.resumedFrom;
        break;
      case "stage-finished": case "stage-reused": case "stage-set-aside": case "stage-rolled-back": case "artifact-removed":
        newest = undefined;
        break;
      case "checkpoint-skipped": case "stage-stopped": case "stage-held": case "stage-failed": case "guard-breached": case "approval-asked":
        break;
    }
  }
  return newest === undefined ? undefined : saved.get(newest);
}

function isTold(manifest: CheckpointManifest, entries: readonly KeyedEntry[]): boolean {
  const digest = digestOf(manifest);
  return entries.some(({ run, event }) => event.type === "checkpoint-saved" && run === manifest.run && event.step === manifest.step && event.checkpoint === digest);
}

/** Whether a kill between the checkpoint and the ledger's line about it explains it: the attempt that saved it is the newest, and it the newest of that. */
function mayBeNew({ run, step, course = 0 }: CheckpointManifest, entries: readonly KeyedEntry[]): boolean {
  const last = entries.at(-1);
  // The first checkpoint of a new course is of an earlier step; the breach comes right before it.
  if (course > 0 && last?.run === run && last.event.type === "guard-breached" && last.event.then === "roll-back") return true;
  const start = entries.findLastIndex(({ event }) => event.type === "stage-started");
  return entries[start]?.run === run && entries.slice(start).every(({ event }) => event.type !== "checkpoint-saved" || event.step < step);
}

function lastOf(entries: readonly KeyedEntry[], types: readonly KeyedEvent["type"][]): KeyedEntry | undefined {
  return entries.findLast(({ event }) => types.includes(event.type));
}
