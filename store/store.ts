import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import type { LedgerEvent } from "../schemas/events.js";
import type { PlannedStage } from "../schemas/plan.js";
import { Artifacts } from "./artifacts.js";
import { Checkpoints } from "./checkpoints.js";
import { Claims, type Claim } from "./claims.js";
import { Ledger } from "./ledger.js";
import { Results } from "./results.js";
import { Runs } from "./runs.js";
import { Workers } from "./workers.js";
import { leftoverParts, leftoverScratch, makeScratch } from "./scratch.js";

/** What there is of a stage to set aside. */
type Aside = Omit<Extract<LedgerEvent, { type: "stage-set-aside" }>, "type" | "actor" | "reason">;

/** All that lasts, under one home directory: artifacts, results, checkpoints, runs and their ledgers. Safe with several processes. */
export class Store {
  readonly artifacts: Artifacts;
  readonly claims: Claims;
  readonly results: Results;
  readonly checkpoints: Checkpoints;
  readonly runs: Runs;
  readonly ledger: Ledger;
  readonly workers: Workers;

  constructor(readonly home: string) {
    this.artifacts = new Artifacts(home);
    this.claims = new Claims(home);
    this.results = new Results(home, this.artifacts, this.claims);
    this.checkpoints = new Checkpoints(home, this.claims);
    this.runs = new Runs(home);
    this.ledger = new Ledger(home);
    this.workers = new Workers(home);
  }

  /** `.trueline` beside the project, unless TRUELINE_HOME says otherwise. */
  static homeOf(environment: Readonly<NodeJS.ProcessEnv>, workingDirectory: string): string {
    return environment.TRUELINE_HOME ? resolve(environment.TRUELINE_HOME) : resolve(workingDirectory, ".trueline");
  }

  /** Gives `work` an empty directory on the store's own disk, so that what it writes can be published by a rename; removed afterwards. */
  async withScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
    const directory = await makeScratch(this.home);
    try {
      return await work(directory);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  /**
   * Sets the results and checkpoints of a run's stages aside, into `aside/`, so that whoever needs the stages next computes them anew. `announce` tells the
   * ledger before anything moves: what a kill on the way left, the next attempt at the run finishes. Artifacts stay: earlier runs name them. Errors:
   * TL_RUN_ALIVE while another run computes one of them; nothing is moved then.
   */
  async setAside(run: string, stages: readonly Pick<PlannedStage, "name" | "key">[], announce: (found: readonly Aside[]) => Promise<void>): Promise<void> {
    const claims: Claim[] = [];
    try {
      for (const { name, key } of stages) claims.push(await this.claimed(key, { run, stage: name, attempt: 0 }));
      const found = await Promise.all(stages.map(async ({ name, key }): Promise<Aside> => {
        const [result, checkpoint] = [await this.results.find(key), await this.checkpoints.newest(key)];
        return { stage: name, key, ...(result !== undefined && { artifact: result.artifact }), ...(checkpoint !== undefined && { checkpoint: checkpoint.step }) };
      }));
      await announce(found.filter(({ artifact, checkpoint }) => artifact !== undefined || checkpoint !== undefined));
      for (const claim of claims) {
        const folder = join(this.home, "aside", `${new Date().toISOString().replaceAll(":", "-")}-${claim.key.slice(0, 12)}`);
        await this.claims.whileHeld(claim, async () => {
          await this.results.moveAside(claim.key, folder);
          await this.checkpoints.moveAside(claim.key, folder);
        });
      }
    } finally {
      for (const claim of claims) await this.claims.release(claim);
    }
  }

  private async claimed(key: string, by: Parameters<Claims["take"]>[1]): Promise<Claim> {
    const { granted, claim } = await this.claims.take(key, by);
    if (granted) return claim;
    throw new TruelineError("TL_RUN_ALIVE", `Stage ${by.stage} is being computed by run ${claim.run}, which has the same settings.`, {
      hint: `Wait for it with \`trueline watch ${claim.run}\`, or cancel it.`,
    });
  }

  /** Removes scratch, halves of writes and records of dead processes; of those elsewhere, which can't be asked for, after a week. */
  async sweep(): Promise<void> {
    for (const path of [...await leftoverScratch(this.home, Date.now()), ...await leftoverParts(this.home)]) await rm(path, { recursive: true, force: true });
    await this.workers.sweep();
  }
}
