import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { canonicalJson } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import { writeDurably } from "../foundation/files.js";
import { renderComparison } from "../reports/comparison.js";
import type { Plan, PlannedStage } from "../schemas/plan.js";
import { parseMetrics, type MetricsLine } from "../schemas/report.js";
import { METRICS_FILE } from "../training/loop.js";
import { defineCommand, jsonOption } from "./command.js";
import { number, table } from "./output.js";
import { writtenAt } from "./place.js";
import { stageArtifacts, type StageArtifact } from "./stage-artifact.js";
import { reportSweep } from "./sweep-report.js";
import { openStore } from "./store.js";

/** A PPO or DPO stage that is finished, with the figures of the evaluation that judged it, if one did. */
interface Comparable {
  readonly stage: PlannedStage;
  /** Stages that differ in nothing but the seed share it. */
  readonly setting: string;
  readonly metrics: readonly MetricsLine[];
  readonly figures: Readonly<Record<string, number>>;
}

const columns = [
  ["win", "eval/win_rate"], ["tie", "eval/tie_rate"], ["lose", "eval/lose_rate"], ["gold", "eval/gold"], ["proxy", "eval/proxy"],
  ["KL", "eval/kl"], ["length", "eval/length"], ["perplexity", "eval/perplexity"], ["unfinished", "eval/unfinished"],
] as const;

/** `trueline report RUN`: the run's PPO and DPO stages side by side, as a table and as a picture; of a sweep its variants. */
export const reportCommand = defineCommand({
  name: "report",
  arguments: "<run>",
  summary: "compare a run's PPO and DPO stages, or the variants of its sweep: a row each, and their curves as a picture or a page",
  details: "The figures are those of the evaluation that has the stage as its candidate. In the picture a thin line is a seed\n"
    + "and a thick one the mean over the seeds of a setting. Of a sweep each variant has a row, its seeds pooled: the mean, the sample\n"
    + "standard deviation, and in brackets the range of the objective, by which the rows are sorted; in its picture each variant has a\n"
    + "line, the mean over its seeds, with their range as a band.",
  examples: ["trueline report vanilla-against-max-20260101-abcdef --svg comparison.svg", "trueline report sweep-20260101-abcdef --html sweep.html"],
  options: {
    json: jsonOption,
    html: { flags: "--html <file>", summary: "of a sweep: write the table and the curves as a page", schema: z.string().min(1).optional() },
    svg: { flags: "--svg <file>", summary: "write the curves as an SVG picture", schema: z.string().min(1).optional() },
  },
  async run({ arguments: [id = ""], options, output }) {
    const store = openStore();
    const plan = await store.runs.plan(id);
    if (plan.sweep !== undefined) return reportSweep(store, id, { ...plan, sweep: plan.sweep }, options, output);
    if (options.html !== undefined) throw new TruelineError("TL_USAGE", "--html is the page of a sweep.", { hint: `Run ${id} is none; --svg draws its PPO stages.` });
    const compared = await comparableStages(plan, await stageArtifacts(store, id));
    if (compared.length === 0) {
      throw new TruelineError("TL_RUN_STAGE_UNFINISHED", `Run ${id} has no finished PPO or DPO stage.`, { hint: `\`trueline status ${id}\` says how far it is.` });
    }
    if (options.svg !== undefined) {
      const path = resolve(options.svg);
      const picture = renderComparison(compared.map(({ setting, stage, metrics }) => ({ name: setting, seed: stage.seed, metrics })));
      await writtenAt(path, () => writeDurably(path, picture));
      output.note(`Wrote ${path}`);
    }
    if (options.json) {
      output.json(compared.map(({ stage, setting, figures, metrics }) => ({ stage: stage.name, setting, seed: stage.seed, figures, metrics })));
    } else {
      const shown = columns.filter(([, name]) => compared.some(({ figures }) => figures[name] !== undefined));
      const rows = compared.map(({ stage, setting, figures }) => [
        stage.name, setting, String(stage.seed), ...shown.map(([, name]) => (figures[name] === undefined ? "" : number(figures[name]))),
      ]);
      output.data(table(["stage", "setting", "seed", ...shown.map(([title]) => title)], rows, [2, ...shown.map((_, index) => index + 3)]));
    }
    return 0;
  },
});

async function comparableStages(plan: Plan, artifacts: ReadonlyMap<string, StageArtifact>): Promise<Comparable[]> {
  const stages = plan.stages.filter(({ kind }) => kind === "ppo" || kind === "dpo");
  const compared: Comparable[] = [];
  for (const stage of stages) {
    const artifact = artifacts.get(stage.name);
    if (artifact === undefined) continue;
    const path = join(artifact.directory, METRICS_FILE);
    const text = await readFile(path, "utf8");
    const judge = plan.stages.find(({ inputs }) => inputs["candidate"]?.from === "stage" && inputs["candidate"].stage === stage.name);
    const figures = (judge && artifacts.get(judge.name))?.figures ?? {};
    compared.push({ stage, setting: settingOf(stage, stages), metrics: parseMetrics(text, path), figures });
  }
  return compared;
}

/** The preset's name, of DPO its kind's, where all stages of that name are alike but for their seeds; else the stage's own name. */
function settingOf(stage: PlannedStage, stages: readonly PlannedStage[]): string {
  const preset = (other: PlannedStage) => z.string().parse(other.parameters["preset"] ?? other.kind);
  const content = (other: PlannedStage) => canonicalJson({ ...other.parameters, seed: 0 });
  const alike = stages.filter((other) => preset(other) === preset(stage)).every((other) => content(other) === content(stage));
  return alike ? preset(stage) : stage.name;
}
