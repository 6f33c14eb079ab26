import { join } from "node:path";
import type { LedgerEvent } from "../../schemas/events.js";
import { hashFile } from "../../foundation/files.js";
import type { Place } from "./place.js";
import { must, mustEqual } from "./scenario.js";

/** SHA-256 of everything that a run's stages leave, by stage and file. */
export type Outcome = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** What a run has left, re-hashed. Its ledger must be whole. */
export async function outcomeOf({ store }: Place, run: string): Promise<Outcome> {
  mustEqual(await store.ledger.verify(run), [], `the ledger of ${run}`);
  const outcome: Record<string, Record<string, string>> = {};
  for (const { name, key } of (await store.runs.plan(run)).stages) {
    const result = await store.results.find(key);
    must(result !== undefined, `${run} has no result of ${name}`);
    mustEqual(await store.artifacts.fault(result.artifact, { deep: true }), undefined, `the artifact of ${name}`);
    const { files } = await store.artifacts.read(result.artifact);
    outcome[name] = {};
    for (const { path } of files) outcome[name][path] = (await hashFile(join(store.artifacts.directory(result.artifact), path))).sha256;
  }
  return outcome;
}

/** Events of a run's ledger of one type. */
export async function eventsOf<Type extends LedgerEvent["type"]>(
  { store }: Place, run: string, type: Type,
): Promise<(Extract<LedgerEvent, { type: Type }> & { readonly at: number })[]> {
  return (await store.ledger.read(run)).flatMap(({ event, at }) =>
    event.type === type ? [{ ...event as Extract<LedgerEvent, { type: Type }>, at: Date.parse(at) }] : []);
}

/** Every attempt must go on at or after the last checkpoint that the ledger has of its stage, unless that one was damaged. */
export async function mustLoseNoCheckpoint({ store }: Place, run: string): Promise<void> {
  const saved = new Map<string, number>();
  for (const { event } of await store.ledger.read(run)) {
    if (event.type === "checkpoint-saved") saved.set(event.stage, event.step);
    if (event.type === "checkpoint-skipped" || event.type === "stage-finished") saved.delete(event.stage);
    if (event.type !== "stage-started") continue;
    const [from, least] = [event.resumedFrom ?? 0, saved.get(event.stage) ?? 0];
    must(from >= least, `${event.stage} went on from step ${from} although step ${least} was saved`);
  }
}
