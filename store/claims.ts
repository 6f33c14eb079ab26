import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { guarded, namesIn, readIfThere, writeWhole } from "./files.js";
import { withLock } from "./lock.js";
import { isAlive, processSchema, thisProcess } from "./processes.js";
import { parseJson } from "./records.js";

/** A claim of another host that this process has seen unchanged for so long is dead. */
const silentMilliseconds = 5 * 60_000;
/** So long suffices where the clocks of both hosts agree that it was not renewed for the time above. It is renewed every 20 s. */
const confirmMilliseconds = 45_000;

const claimSchema = z.strictObject({
  key: z.string(), token: z.string(), run: z.string(), stage: z.string(), attempt: z.number().int(), holder: processSchema, at: z.string(),
  renewedAt: z.string(), released: z.boolean(),
  /** The attempt of the same run that had it before and never gave it back; `seen`: its last sign of life. */
  before: z.strictObject({ attempt: z.number().int(), pid: z.number().int(), host: z.string(), seen: z.string() }).optional(),
});
/** The right to publish checkpoints and the result of a stage's key. Whoever claims last has it; all others are fenced off. */
export type Claim = z.output<typeof claimSchema>;

export class Claims {
  /** Claims of other hosts, by key: how each was last seen, and since when, by a clock that nobody can set. */
  private readonly seen = new Map<string, { readonly renewedAt: string; readonly token: string; readonly since: number }>();

  constructor(private readonly home: string) {}

  /**
   * Takes a key for a run's attempt, over the head of any earlier attempt of that run. A live attempt of another run
   * keeps it: then its claim is given instead, and the caller waits for that run's result.
   */
  async take(key: string, by: { readonly run: string; readonly stage: string; readonly attempt: number }): Promise<{ granted: boolean; claim: Claim }> {
    return withLock(this.lock(key), async () => {
      const rival = await this.holder(key);
      if (rival !== undefined && rival.run !== by.run) return { granted: false, claim: rival };
      const at = new Date().toISOString();
      const before = abandoned(await this.read(key), by.run);
      const claim: Claim = { key, token: randomUUID(), ...by, holder: thisProcess, at, renewedAt: at, released: false, ...(before && { before }) };
      await this.write(claim);
      return { granted: true, claim };
    });
  }

  /** Says that the attempt still lives, to hosts that can't look for its process. Throws TL_STORE_SUPERSEDED. */
  async renew(claim: Claim): Promise<void> {
    await this.whileHeld(claim, () => this.write({ ...claim, renewedAt: new Date().toISOString() }));
  }

  /** Does `work` while the claim can't be taken over. Throws TL_STORE_SUPERSEDED when it has been. */
  async whileHeld<T>(claim: Claim, work: () => Promise<T>): Promise<T> {
    return withLock(this.lock(claim.key), async () => {
      const current = await this.read(claim.key);
      if (current?.token !== claim.token) {
        throw new TruelineError("TL_STORE_SUPERSEDED",
          `Attempt ${claim.attempt} of stage "${claim.stage}" has been superseded by ${current === undefined ? "nobody known"
            : `attempt ${current.attempt} of run ${current.run} (process ${current.holder.pid} on ${current.holder.host})`}.`);
      }
      return work();
    });
  }

  /** Does `work` while nobody can take the key, or publish under it. */
  async exclusively<T>(key: string, work: () => Promise<T>): Promise<T> {
    return withLock(this.lock(key), work);
  }

  /** Keys that have been claimed. */
  async keys(): Promise<string[]> {
    const names = await guarded(() => namesIn(join(this.home, "claims")));
    return names.filter((name) => /^[0-9a-f]{64}\.json$/.test(name)).map((name) => name.slice(0, -".json".length));
  }

  /** Whether a claim says nothing any more: given back, or its process is known to be dead. One of another host never counts as such. */
  async isStale(key: string): Promise<boolean> {
    const claim = await this.read(key);
    return claim !== undefined && (claim.released || !isAlive(claim.holder));
  }

  /** Gives the claim back; nothing happens when another has taken it. */
  async release(claim: Claim): Promise<void> {
    await withLock(this.lock(claim.key), async () => {
      if ((await this.read(claim.key))?.token === claim.token) await this.write({ ...claim, released: true });
    });
  }

  /** Who works on a key now: an unreleased claim whose process lives, or that another host is not known to have given up. */
  async holder(key: string): Promise<Claim | undefined> {
    const claim = await this.read(key);
    if (claim === undefined || claim.released || !isAlive(claim.holder)) return undefined;
    return claim.holder.host === thisProcess.host || !this.isSilent(claim) ? claim : undefined;
  }

  /** Whether a claim is renewed no more. A clock that jumps, here or there, makes no live claim look dead. */
  private isSilent({ key, token, renewedAt }: Claim): boolean {
    const before = this.seen.get(key);
    const isSame = before?.token === token && before.renewedAt === renewedAt;
    const since = isSame ? before.since : performance.now();
    if (!isSame) this.seen.set(key, { token, renewedAt, since });
    const looksSilent = Date.now() - Date.parse(renewedAt) > silentMilliseconds;
    return performance.now() - since > (looksSilent ? confirmMilliseconds : silentMilliseconds);
  }

  private async read(key: string): Promise<Claim | undefined> {
    const text = await guarded(() => readIfThere(this.path(key)));
    return text === undefined ? undefined : claimSchema.safeParse(parseJson(text)).data;
  }

  private write(claim: Claim): Promise<void> {
    return guarded(() => writeWhole(this.path(claim.key), JSON.stringify(claim)));
  }

  path(key: string): string {
    return join(this.home, "claims", `${key}.json`);
  }

  private lock(key: string): string {
    return join(this.home, "claims", `${key}.lock`);
  }
}

function abandoned(claim: Claim | undefined, run: string): Claim["before"] {
  if (claim === undefined || claim.released || claim.run !== run) return undefined;
  const { attempt, holder: { pid, host }, renewedAt } = claim;
  return { attempt, pid, host, seen: renewedAt };
}
