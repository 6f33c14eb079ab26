import { lstat, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { entriesOf } from "./chronicle.js";
import { filesUnder, guarded, namesIn } from "./files.js";
import { needsOf, type Needs, type Policy } from "./needs.js";
import { leftoverParts, leftoverScratch } from "./scratch.js";
import { StoreReader } from "./store-reader.js";
import type { Store } from "./store.js";

/** Nothing is removed that was written or used within this time. */
const youngMilliseconds = 3600_000;

/** Something that nothing needs. */
export interface Removal {
  readonly what: "artifact" | "checkpoints" | "aside" | "scratch" | "log" | "claim";
  readonly path: string;
  readonly bytes: number;
  readonly why: string;
  /** The artifact's digest, or the key of checkpoints or of a claim. */
  readonly digest?: string;
  /** Stages that made or used the artifact, as RUN/STAGE. */
  readonly stages: readonly string[];
}

/** An artifact or a key's checkpoints that stay, and why. */
export interface Remaining {
  readonly what: "artifact" | "checkpoints";
  readonly digest: string;
  readonly bytes: number;
  readonly why: string;
}

export interface Collection {
  readonly removals: readonly Removal[];
  readonly remaining: readonly Remaining[];
  readonly needs: Needs;
  readonly reader: StoreReader;
}

/** What `gc` would do. Removes nothing. Errors: TL_STORE_CORRUPT where what runs need can't be known. */
export async function survey(store: Store, policy: Policy, now = Date.now()): Promise<Collection> {
  const reader = new StoreReader(store);
  const needs = await needsOf(reader, policy, now);
  const [removals, remaining]: [Removal[], Remaining[]] = [[], []];
  for (const digest of await store.artifacts.digests()) {
    const path = store.artifacts.directory(digest);
    const bytes = await bytesOf(path);
    const why = needs.artifacts.get(digest) ?? await youth(path, now);
    const stages = stagesOf(needs, digest);
    if (why !== undefined) remaining.push({ what: "artifact", digest, bytes, why });
    else removals.push({ what: "artifact", path, bytes, digest, stages, why: stages.length === 0 ? "no run made or used it" : `no run that is kept needs it` });
  }
  for (const key of await store.checkpoints.keys()) {
    const path = store.checkpoints.folder(key);
    const bytes = await bytesOf(path);
    const why = await checkpointNeed(store, needs, key, now);
    if (why !== undefined) remaining.push({ what: "checkpoints", digest: key, bytes, why });
    else removals.push({ what: "checkpoints", path, bytes, digest: key, stages: [], why: needs.keys.has(key) ? "their stage is finished" : "no run that can go on would use them" });
  }
  for (const path of [...await leftoverScratch(store.home, now), ...await leftoverParts(store.home)]) {
    if (await youth(path, now) !== undefined) continue;
    removals.push({ what: "scratch", path, bytes: await bytesOf(path), stages: [], why: "its process is dead" });
  }
  for (const folder of ["aside", "damaged"]) {
    for (const name of await guarded(() => namesIn(join(store.home, folder)))) {
      const path = join(store.home, folder, name);
      // A rename leaves the time of the last change alone; when it was moved is the other.
      const { ctimeMs } = await stat(path);
      if (now - ctimeMs > Math.max(policy.olderThanSeconds * 1000, youngMilliseconds)) removals.push({ what: "aside", path, bytes: await bytesOf(path), stages: [], why: "it was set aside long ago" });
    }
  }
  const logs = join(store.home, "logs");
  for (const name of (await guarded(() => namesIn(logs))).filter((each) => each.endsWith(".log"))) {
    const { mtimeMs, size } = await stat(join(logs, name));
    if (now - mtimeMs > Math.max(policy.olderThanSeconds * 1000, youngMilliseconds)) removals.push({ what: "log", path: join(logs, name), bytes: size, stages: [], why: "nothing has been written to it of late" });
  }
  for (const key of await store.claims.keys()) {
    const path = store.claims.path(key);
    if (needs.open.has(key) || await youth(path, now) !== undefined || !await store.claims.isStale(key)) continue;
    removals.push({ what: "claim", path, bytes: (await stat(path)).size, digest: key, stages: [], why: "nobody holds it" });
  }
  return { removals, remaining, needs, reader };
}

/**
 * Removes what a survey found, each piece only if nothing needs it even now: what began to be used since stays. Ledgers,
 * plans and records of runs stay always; the runs' ledgers are told what goes. Gives what was removed.
 */
export async function collect(
  store: Store, policy: Policy, found: Collection, { actor, reason, onRemoved = () => undefined }: Order, now: () => number = Date.now,
): Promise<Removal[]> {
  const gone: Removal[] = [];
  for (const removal of found.removals) {
    if (!await removeOne(store, removal, { actor, reason }, () => needsOf(found.reader, policy, now()), now)) continue;
    gone.push(removal);
    onRemoved(removal);
  }
  return gone;
}

/** Who removes, and the policy in words. */
export interface Order {
  readonly actor: string;
  readonly reason: string;
  readonly onRemoved?: (removal: Removal) => void;
}

async function removeOne(store: Store, removal: Removal, order: Order, needs: () => Promise<Needs>, now: () => number): Promise<boolean> {
  const { what, path, digest } = removal;
  switch (what) {
    case "artifact": return removeArtifact(store, removal, digest!, order, needs, now);
    case "checkpoints": return store.claims.exclusively(digest!, async () => {
      if (await checkpointNeed(store, await needs(), digest!, now()) !== undefined) return false;
      await store.checkpoints.remove(digest!);
      return true;
    });
    case "claim": return store.claims.exclusively(digest!, async () => {
      if (!await store.claims.isStale(digest!) || (await needs()).open.has(digest!)) return false;
      await guarded(() => rm(path, { force: true }));
      return true;
    });
    case "aside": case "scratch": case "log":
      await guarded(() => rm(path, { recursive: true, force: true }));
      return true;
  }
}

/** The ledgers are told first, then the results go, then by one rename the artifact: a kill on the way leaves nothing half. */
async function removeArtifact(
  store: Store, { path, bytes }: Removal, artifact: string, { actor, reason }: Order, needs: () => Promise<Needs>, now: () => number,
): Promise<boolean> {
  return store.withScratch(async (scratch) => store.artifacts.exclusively(artifact, async () => {
    const found = await needs();
    if (found.artifacts.has(artifact) || await youth(path, now()) !== undefined) return false;
    for (const { run, entries } of found.known) {
      const told = entriesOf(entries, "stage-finished", "stage-reused", "artifact-removed").filter(({ event }) => event.artifact === artifact);
      const stages = new Map(told.map(({ event }) => [event.stage, event]));
      for (const { type, stage, key } of stages.values()) {
        if (type !== "artifact-removed") await store.ledger.append(run, { type: "artifact-removed", stage, key, artifact, bytes, actor, reason });
      }
    }
    for (const [key, of] of found.results) if (of === artifact) await store.results.remove(key, artifact);
    await guarded(() => rename(path, join(scratch, "artifact")));
    return true;
  }));
}

/** Why a key's checkpoints stay; undefined where nothing speaks for them. */
async function checkpointNeed(store: Store, { keys, open }: Needs, key: string, now: number): Promise<string | undefined> {
  const holder = await store.claims.holder(key);
  if (holder !== undefined) return `${holder.run}/${holder.stage} works on it`;
  if (open.has(key) && await store.results.find(key) === undefined) return `${keys.get(key) ?? "a run"}`;
  const places = await store.checkpoints.places(key);
  const ages = await Promise.all([store.checkpoints.folder(key), ...places.map(({ name }) => join(store.checkpoints.folder(key), name))].map((path) => youth(path, now)));
  return ages.find((why) => why !== undefined);
}

/** Words for what was written or used of late; undefined for what is old, or not there. */
async function youth(path: string, now: number): Promise<string | undefined> {
  const changed = await stat(path).then(({ mtimeMs }) => mtimeMs, () => undefined);
  return changed !== undefined && now - changed < youngMilliseconds ? "was written or used within the last hour" : undefined;
}

function stagesOf({ known }: Needs, artifact: string): string[] {
  const named = known.flatMap(({ entries }) => entriesOf(entries, "stage-finished", "stage-reused").filter(({ event }) => event.artifact === artifact));
  return [...new Set(named.map(({ run, event }) => `${run}/${event.stage}`))];
}

async function bytesOf(directory: string): Promise<number> {
  const paths = await guarded(() => filesUnder(directory)).catch(() => []);
  const sizes = await Promise.all(paths.map((path) => lstat(join(directory, path)).then(({ size }) => size, () => 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
