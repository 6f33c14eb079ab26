import { relative, sep } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import type { Plan } from "../schemas/plan.js";
import { entriesOf, readChronicles, type Chronicle } from "./chronicle.js";
import { pinsOf, type Pin } from "./pins.js";
import { summarize } from "./state.js";
import type { Store } from "./store.js";
import { planDigests } from "./verify-run.js";

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
  readonly chronicles: readonly Chronicle[];
}

/**
 * Works out what runs, pins and the policy need.
 * @param now Milliseconds.
 * @throws TL_STORE_CORRUPT where a ledger or a plan can't be read: what it needs is then unknown.
 */
export async function needsOf(store: Store, policy: Policy, now: number): Promise<Needs> {
  const { chronicles, unread } = await readChronicles(store);
  if (unread[0] !== undefined) throw unsure(unread[0].run, unread[0].reason);
  const runs = await Promise.all(chronicles.map((chronicle) => knownRun(store, chronicle).catch((error: unknown) => {
    throw error instanceof TruelineError ? unsure(chronicle.run, error.message) : error;
  })));
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
          const inside = input.from === "directory" ? artifactAt(store, input.path) : undefined;
          if (inside !== undefined) artifacts.set(inside, need);
        }
      }
    }
  }
  const pins = chronicles.flatMap(({ entries }) => pinsOf(entries));
  for (const { run, stage } of pins) {
    const entries = chronicles.find((each) => each.run === run)!.entries;
    const named = entriesOf(entries, "stage-finished", "stage-reused").filter(({ event }) => event.stage === stage).at(-1);
    if (named !== undefined) artifacts.set(named.event.artifact, `${run}/${stage ?? ""} is pinned`);
  }
  for (const [key, why] of keys) {
    const result = await store.results.read(key);
    if (result !== undefined) artifacts.set(result.artifact, artifacts.get(result.artifact) ?? why);
  }
  return { runs: new Map([...kept].map(([run, { words }]) => [run, words])), artifacts, keys, open, pins, chronicles };
}

function unsure(run: string, reason: string): TruelineError {
  return new TruelineError("TL_STORE_CORRUPT", `What run ${run} needs is not known: ${reason}`, { hint: "Nothing was removed. `trueline verify` lists what is damaged." });
}

interface KnownRun {
  readonly run: string;
  readonly entries: Chronicle["entries"];
  readonly plans: readonly Plan[];
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

/** All plans of a run, ones that edited specs replaced included. Errors: TL_STORE_CORRUPT for any damage, also to its ledger. */
async function knownRun(store: Store, { run, entries }: Chronicle): Promise<KnownRun> {
  const [fault] = await store.ledger.verify(run);
  if (fault !== undefined) throw new TruelineError("TL_STORE_CORRUPT", `${store.ledger.path(run)}: ${fault}`);
  const plans: Plan[] = [];
  for (const digest of new Set([...planDigests(entries), ...await store.runs.planDigests(run)])) plans.push(await store.runs.plan(run, digest));
  return { run, entries, plans };
}

/** The artifact of this store that a path leads into: a spec may name one as its model. */
function artifactAt(store: Store, path: string): string | undefined {
  const [folder, digest] = relative(store.home, path).split(sep);
  return folder === "artifacts" ? digest : undefined;
}
