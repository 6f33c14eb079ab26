import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { Artifacts } from "./artifacts.js";
import { Checkpoints } from "./checkpoints.js";
import { Claims } from "./claims.js";
import { Ledger } from "./ledger.js";
import { Results } from "./results.js";
import { Runs } from "./runs.js";
import { leftoverScratch, makeScratch } from "./scratch.js";

/** All that lasts, under one home directory: artifacts, results, checkpoints, runs and their ledgers. Safe with several processes. */
export class Store {
  readonly artifacts: Artifacts;
  readonly claims: Claims;
  readonly results: Results;
  readonly checkpoints: Checkpoints;
  readonly runs: Runs;
  readonly ledger: Ledger;

  constructor(readonly home: string) {
    this.artifacts = new Artifacts(home);
    this.claims = new Claims(home);
    this.results = new Results(home, this.artifacts, this.claims);
    this.checkpoints = new Checkpoints(home, this.claims);
    this.runs = new Runs(home);
    this.ledger = new Ledger(home);
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
   * Sets a stage's result and checkpoints aside, into `aside/`, so that whoever needs the stage next computes it anew. Artifacts
   * stay: earlier runs name them. Errors: TL_RUN_ALIVE while another run computes the same.
   */
  async setAside(key: string, by: { readonly run: string; readonly stage: string }): Promise<{ readonly artifact?: string; readonly checkpoint?: number }> {
    const { granted, claim } = await this.claims.take(key, { ...by, attempt: 0 });
    if (!granted) {
      throw new TruelineError("TL_RUN_ALIVE", `Stage ${by.stage} is being computed by run ${claim.run}, which has the same settings.`, {
        hint: `Wait for it with \`trueline watch ${claim.run}\`, or cancel it.`,
      });
    }
    const folder = join(this.home, "aside", `${new Date().toISOString().replaceAll(":", "-")}-${key.slice(0, 12)}`);
    try {
      return await this.claims.whileHeld(claim, async () => {
        const artifact = await this.results.moveAside(key, folder);
        const checkpoint = await this.checkpoints.moveAside(key, folder);
        return { ...(artifact !== undefined && { artifact }), ...(checkpoint !== undefined && { checkpoint }) };
      });
    } finally {
      await this.claims.release(claim);
    }
  }

  /** Removes the scratch directories of dead processes; of those elsewhere, which can't be asked for, after a week. */
  async sweep(): Promise<void> {
    for (const path of await leftoverScratch(this.home, Date.now())) await rm(path, { recursive: true, force: true });
  }
}
