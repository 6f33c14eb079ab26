import { relative, sep } from "node:path";
import { entriesOf } from "./chronicle.js";
import { pinsOf, type Pin } from "./pins.js";
import { summarize } from "./state.js";
import type { KnownRun, StoreReader } from "./store-reader.js";
import type { Store } from "./store.js";

/** What `gc` may remove: of finished runs, what neither the newest of a pipeline nor the young ones hold. Both must allow it. */
export interface Policy {
  /** Finished runs that are kept, by pipeline. */
  readonly keep: number;
  /** How long ago a run must have ended. */
  readonly olderThanSeconds: number;
}

/** What must stay, with reasons in words. */
export interface Needs {
  /** By run: why all that it names stays. */
  readonly runs: ReadonlyMap<string, string>;
  readonly artifacts: ReadonlyMap<string, string>;
  /** Keys of stages whose results and checkpoints stay. */
  readonly keys: ReadonlyMap<string, string>;
  /** Keys of runs that can still go on: their checkpoints and claims stay. */
  readonly open: ReadonlySet<string>;
  readonly pins: readonly Pin[];
  readonly known: readonly KnownRun[];
  /** Artifacts of results, by key. */
  readonly results: ReadonlyMap<string, string>;
}

/**
 * Works out what runs, pins and the policy need.
 * @param now Milliseconds.
 * @throws TL_STORE_CORRUPT where a ledger or a plan can't be read: what it needs is then unknown.
 */
export async function needsOf(reader: StoreReader, policy: Policy, now: number): Promise<Needs> {
  const [runs, results] = [await reader.runs(), await reader.results()];
  const kept = keptRuns(runs, policy, now);
  const [artifacts, keys, open] = [new Map<string, string>(), new Map<string, string>(), new Set<string>()];
  for (const { run, entries, plans } of runs) {
    const why = kept.get(run);
    if (why === undefined) continue;
    const need = `${run} ${why.words}`;
    for (const { event } of entriesOf(entries, "stage-finished", "stage-reused")) {
      artifacts.set(event.artifact, need);
      keys.set(event.key, need);
    }
    for (const { stages } of plans) {
      for (const { key, inputs } of stages) {
        keys.set(key, need);
        if (why.open) open.add(key);
        for (const input of Object.values(inputs)) {
          for (const { path } of input.from === "directory" ? [input, ...input.under ?? []] : []) {
            const inside = artifactAt(reader.store, path);
            if (inside !== undefined) artifacts.set(inside, need);
          }
        }
      }
    }
  }
  const pins = runs.flatMap(({ entries }) => pinsOf(entries));
  for (const { run, stage } of pins) {
    const entries = runs.find((each) => each.run === run)!.entries;
    const named = entriesOf(entries, "stage-finished", "stage-reused").filter(({ event }) => event.stage === stage).at(-1);
    if (named !== undefined) artifacts.set(named.event.artifact, `${run}/${stage ?? ""} is pinned`);
  }
  for (const [key, why] of keys) {
    const artifact = results.get(key);
    if (artifact !== undefined) artifacts.set(artifact, artifacts.get(artifact) ?? why);
  }
  for (const digest of [...artifacts.keys()]) await needBase(reader.store, digest, artifacts);
  return { runs: new Map([...kept].map(([run, { words }]) => [run, words])), artifacts, keys, open, pins, known: runs, results };
}

/** What an adapter that stays stands on stays with it. */
async function needBase({ artifacts: all }: Pick<Store, "artifacts">, digest: string, artifacts: Map<string, string>): Promise<void> {
  const { base } = (await all.read(digest).catch(() => undefined))?.metadata ?? {};
  if (base === undefined || "path" in base || artifacts.has(base.artifact)) return;
  artifacts.set(base.artifact, `the adapter ${digest.slice(0, 12)} stands on it, and ${artifacts.get(digest) ?? "stays"}`);
  await needBase({ artifacts: all }, base.artifact, artifacts);
}

/** Why runs are kept; `open` are those that can still go on. Runs come newest first. */
function keptRuns(runs: readonly KnownRun[], { keep, olderThanSeconds }: Policy, now: number): Map<string, { words: string; open: boolean }> {
  const kept = new Map<string, { words: string; open: boolean }>();
  const newest = new Map<string, number>();
  for (const { run, entries, plans } of runs) {
    const [plan] = plans;
    if (plan === undefined) continue;
    const { state, endedAt } = summarize(plan, entries);
    if (state !== "finished" || endedAt === undefined) {
      kept.set(run, { words: `can still go on: it is ${state}`, open: true });
      continue;
    }
    const { name } = entriesOf(entries, "run-submitted")[0]?.event ?? plan;
    const place = (newest.get(name) ?? 0) + 1;
    newest.set(name, place);
    if (pinsOf(entries).some(({ stage }) => stage === undefined)) kept.set(run, { words: "is pinned", open: false });
    else if (place <= keep) kept.set(run, { words: keep === 1 ? `is the newest of ${name}` : `is among the ${keep} newest of ${name}`, open: false });
    else if (now - Date.parse(endedAt) < olderThanSeconds * 1000) kept.set(run, { words: "has ended of late", open: false });
  }
  return kept;
}

/** The artifact of this store that a path leads into: a spec may name one as its model. */
function artifactAt(store: Store, path: string): string | undefined {
  const [folder, digest] = relative(store.home, path).split(sep);
  return folder === "artifacts" ? digest : undefined;
}
