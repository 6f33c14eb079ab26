import { join } from "node:path";
import { z } from "zod";
import { canonicalJson, digestOf } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import { nearest } from "../foundation/suggest.js";
import { planSchema, type Plan } from "../schemas/plan.js";
import { guarded, namesIn, readIfThere, verifyHint, writeWhole } from "./files.js";
import { withLock } from "./lock.js";
import { parseJson, sealedText, unsealed } from "./records.js";

const runSchema = z.strictObject({
  version: z.literal(1), id: z.string(), name: z.string(), submittedAt: z.string(), actor: z.string(),
  /** Of the plan that holds now: the newest, where edited specs have replaced earlier ones. */
  planDigest: z.string(),
  /** Workflow attempts so far: 1 on submission, one more with each resume. */
  attempts: z.number().int().positive(),
});
export type RunRecord = z.output<typeof runSchema>;

/** Submissions: `runs/<id>/` with every plan that the run has had, each under its digest. */
export class Runs {
  constructor(private readonly home: string) {}

  directory(id: string): string {
    return join(this.home, "runs", id);
  }

  /**
   * Writes a new run's plan and record. Throws TL_RUN_EXISTS for an id that is taken. `announce` begins its ledger in between: a run that is there has one, and a kill
   * on the way leaves no run.
   */
  async create(id: string, plan: Plan, actor: string, announce?: (record: RunRecord) => Promise<void>): Promise<RunRecord> {
    if (await this.find(id) !== undefined) throw new TruelineError("TL_RUN_EXISTS", `There is a run "${id}" in ${this.home} already.`);
    const record: RunRecord = {
      version: 1, id, name: plan.name, submittedAt: new Date().toISOString(), actor, planDigest: digestOf(plan), attempts: 1,
    };
    await this.writePlan(id, plan);
    await announce?.(record);
    await this.write(record);
    return record;
  }

  /** Replaces the plan of a run; the ones before are kept. */
  async replan(id: string, plan: Plan): Promise<void> {
    const record = await this.read(id);
    await this.writePlan(id, plan);
    await this.write({ ...record, planDigest: digestOf(plan) });
  }

  /** The record in the bytes of a `run.json`; undefined where any of them has changed. */
  static recordIn(text: string): RunRecord | undefined {
    return unsealed(text, runSchema);
  }

  /** File of a plan that a run has or had. */
  planPath(id: string, digest: string): string {
    return join(this.directory(id), "plans", `${digest}.json`);
  }

  /** Digests by which the files of a run's plans are named. */
  async planDigests(id: string): Promise<string[]> {
    const names = await guarded(() => namesIn(join(this.directory(id), "plans")));
    return names.filter((name) => /^[0-9a-f]{64}\.json$/.test(name)).map((name) => name.slice(0, -".json".length));
  }

  /** Names of all directories of runs, whatever they hold. */
  async ids(): Promise<string[]> {
    return (await guarded(() => namesIn(join(this.home, "runs")))).filter((id) => /^[\w-]+$/.test(id));
  }

  /** Does `work` while no other attempt at a run can begin. */
  async exclusively<T>(id: string, work: () => Promise<T>): Promise<T> {
    return withLock(join(this.directory(id), "attempt.lock"), work);
  }

  /** Counts one more attempt and gives its number. */
  async addAttempt(id: string): Promise<number> {
    const record = await this.read(id);
    await this.write({ ...record, attempts: record.attempts + 1 });
    return record.attempts + 1;
  }

  /** Throws TL_STORE_MISSING for an unknown run, TL_STORE_CORRUPT when its record is not as it was written. */
  async read(id: string): Promise<RunRecord> {
    const record = await this.find(id);
    if (record === "damaged") {
      throw new TruelineError("TL_STORE_CORRUPT", `${this.recordPath(id)} is not as it was written.`, verifyHint(id));
    }
    if (record !== undefined) return record;
    const ids = (await this.list()).map((run) => run.id);
    const meant = nearest(id, ids) ?? ids.find((known) => id !== "" && known.startsWith(id));
    throw new TruelineError("TL_STORE_MISSING", `There is no run "${id}" in ${this.home}.`, {
      hint: `${meant === undefined ? "" : `Did you mean ${meant}? `}\`trueline runs\` lists the runs.`,
    });
  }

  /**
   * The frozen plan that holds now, or that of a digest. Throws TL_STORE_MISSING for an unknown run, TL_STORE_CORRUPT when
   * the plan is not what was submitted.
   */
  async plan(id: string, digest?: string): Promise<Plan> {
    const planDigest = digest ?? (await this.read(id)).planDigest;
    const path = this.planPath(id, planDigest);
    const text = await guarded(() => readIfThere(path));
    const plan = text === undefined ? undefined : planSchema.safeParse(parseJson(text)).data;
    if (plan === undefined || digestOf(plan) !== planDigest) {
      throw new TruelineError("TL_STORE_CORRUPT", `${path} is not the plan that was submitted.`, verifyHint(id));
    }
    return plan;
  }

  /** All runs, newest first. Directories that hold no run, or a damaged record of one, are passed over. */
  async list(): Promise<RunRecord[]> {
    return (await this.look()).whole;
  }

  /** All runs, newest first, and the ids of those whose record is not as it was written. */
  async look(): Promise<{ readonly whole: RunRecord[]; readonly damaged: string[] }> {
    const found = await Promise.all((await this.ids()).map(async (id) => ({ id, record: await this.find(id) })));
    const whole = found.flatMap(({ record }) => record === undefined || record === "damaged" ? [] : [record])
      .sort((a, b) => b.submittedAt.localeCompare(a.submittedAt) || b.id.localeCompare(a.id));
    return { whole, damaged: found.flatMap(({ id, record }) => record === "damaged" ? [id] : []) };
  }

  private async find(id: string): Promise<RunRecord | "damaged" | undefined> {
    if (!/^[\w-]+$/.test(id)) return undefined;
    const text = await guarded(() => readIfThere(this.recordPath(id)));
    return text === undefined ? undefined : Runs.recordIn(text) ?? "damaged";
  }

  recordPath(id: string): string {
    return join(this.directory(id), "run.json");
  }

  private writePlan(id: string, plan: Plan): Promise<void> {
    return guarded(() => writeWhole(this.planPath(id, digestOf(plan)), canonicalJson(plan)));
  }

  private write(record: RunRecord): Promise<void> {
    return guarded(() => writeWhole(this.recordPath(record.id), sealedText(record)));
  }
}
