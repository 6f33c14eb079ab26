import { totalmem } from "node:os";
import { z } from "zod";
import { outlineModel } from "../models/outline.js";
import { stageBatches } from "../planner/batches.js";
import { decideAll, type Decision } from "../planner/decide.js";
import { ppoDetails, type StageDetails } from "../planner/details.js";
import { heldModels, memoryWarnings } from "../planner/held-models.js";
import { collectKnowledge, plansOfPipeline } from "../planner/knowledge.js";
import { createPlan } from "../planner/plan.js";
import { planResumption } from "../planner/resume.js";
import type { Plan } from "../schemas/plan.js";
import { queuesWithoutGpus, unattendedText } from "../temporal/attendance.js";
import { allowPathOption, defineCommand, jsonOption } from "./command.js";
import { duration, size, table, type Output } from "./output.js";
import { resumptionJson, resumptionSummary } from "./resume-view.js";
import { openStore } from "./store.js";

/** `trueline plan SPEC`: what would run, what would be reused, and why. */
export const planCommand = defineCommand({
  name: "plan",
  arguments: "<spec>",
  summary: "say what a run of the spec would do with each stage, and why",
  details: "Nothing is run or written. Estimates come from earlier runs of the same pipeline on this machine.",
  examples: ["trueline plan pipelines/quickstart.json", "trueline plan my.json --against hh-ppo-max-20260101-k3v9qz --json"],
  options: {
    json: jsonOption, allowPath: allowPathOption,
    against: { flags: "--against <run>", summary: "say what a resume of this run with the spec would keep and lose (default: the newest of the pipeline)", schema: z.string().min(1).optional() },
  },
  async run({ arguments: [path = ""], options, output }) {
    const plan = await createPlan(path, { allowPaths: options.allowPath });
    const store = openStore();
    const held = heldModels(plan, await directoryParameters(plan));
    const warnings = [...plan.warnings, ...memoryWarnings(plan, held, totalmem())];
    const decisions = decideAll(plan, await collectKnowledge(store, plan, await plansOfPipeline(store, plan.name)));
    const run = options.against === undefined ? (await store.runs.list()).find(({ name }) => name === plan.name) : await store.runs.read(options.against);
    const resumption = run && await planResumption(store, run.id, { plan });
    if (options.json) {
      output.json({
        against: run && resumption ? { run: run.id, ...resumptionJson(resumption) } : null,
        name: plan.name, specPath: plan.specPath, specDigest: plan.specDigest, warnings, ppo: ppoDetails(plan),
        batches: stageBatches(plan), models: held, unattended: await queuesWithoutGpus(store, plan.stages),
        stages: plan.stages.map((stage) => ({
          name: stage.name, kind: stage.kind, key: stage.key, after: stage.after, taskQueue: stage.taskQueue, ...decisions.get(stage.name),
        })),
      });
      return 0;
    }
    output.data(planTable(plan, decisions, output));
    output.data(`\n${summary(plan, decisions)}`);
    if (run && resumption?.changes !== undefined && resumption.changes.length > 0) {
      output.data(`Against run ${run.id}: ${resumption.changes.join("; ")}. ${resumptionSummary(resumption)}`);
    }
    output.data(`\n${table(["stage", "what a step is"], stageBatches(plan).map(({ stage, words }) => [stage, words]))}`);
    if (held.length > 0) {
      output.data(`\n${table(["stage", "models", "parameters of the largest", "weights, gradients, moments"],
        held.map(({ stage, models, parameters, bytes }) => [stage, String(models), count(parameters), size(bytes)]), [1, 2, 3])}`);
    }
    for (const details of ppoDetails(plan)) output.data(`\n${detailsTable(details, output)}`);
    const offers = await store.workers.present();
    for (const queue of await queuesWithoutGpus(store, plan.stages)) output.note(`${output.noteColors.yellow("warning:")} ${unattendedText(queue, plan.stages, offers)}`);
    for (const warning of warnings) output.note(`${output.noteColors.yellow("warning:")} ${warning}`);
    return 0;
  },
});

/** Parameters of the model directories that a plan names. */
async function directoryParameters({ stages }: Plan): Promise<Map<string, number>> {
  const paths = stages.flatMap(({ inputs }) => Object.values(inputs).flatMap((input) => (input.from === "directory" ? [input.path] : [])));
  const counted = await Promise.all([...new Set(paths)].map(async (path) => [path, (await outlineModel(path)).parameters] as const));
  return new Map(counted.flatMap(([path, parameters]) => (parameters === undefined ? [] : [[path, parameters] as const])));
}

/** A number of parameters for people: 52 k, 1.3 M, 7.2 G. */
function count(parameters: number): string {
  const [factor, unit] = parameters < 1e6 ? [1e3, "k"] : parameters < 1e9 ? [1e6, "M"] : [1e9, "G"];
  return `${Number((parameters / factor).toPrecision(2))} ${unit}`;
}

/** A plan and what becomes of its stages as a table for people. */
export function planTable(plan: Plan, decisions: ReadonlyMap<string, Decision>, { colors }: Pick<Output, "colors">): string {
  const words = { reuse: colors.green("reuse"), resume: colors.yellow("resume"), run: colors.cyan("run") };
  const rows = plan.stages.map((stage) => {
    const { action, reason, seconds } = decisions.get(stage.name)!;
    return [stage.name, stage.kind, words[action], action === "reuse" ? "" : seconds === undefined ? "?" : duration(seconds), reason];
  });
  return table(["stage", "kind", "action", "time", "reason"], rows, [3]);
}

function summary(plan: Plan, decisions: ReadonlyMap<string, Decision>): string {
  const open = plan.stages.map(({ name }) => decisions.get(name)!).filter(({ action }) => action !== "reuse");
  if (open.length === 0) return `Nothing to do: all ${plan.stages.length} stages have results.`;
  const known = open.flatMap(({ seconds }) => seconds === undefined ? [] : [seconds]);
  const total = known.reduce((sum, seconds) => sum + seconds, 0);
  const time = known.length === 0 ? "no earlier run to estimate from"
    : known.length === open.length ? `about ${duration(total)}` : `about ${duration(total)}, and ${open.length - known.length} without an estimate`;
  return `${open.length} of ${plan.stages.length} stages to run: ${time}.`;
}

function detailsTable({ stage, preset, choice, details }: StageDetails, { colors }: Pick<Output, "colors">): string {
  const rows = details.map(({ number, name, on, setting }) => [number === undefined ? "–" : String(number), name, on ? colors.green("on") : "off", on ? setting : ""]);
  return `${stage}: details of PPO (numbers of figure 5 in the paper), preset ${preset}\n${table(["#", "detail", "", "setting"], rows, [0])}\nOf this preset, ${choice}.`;
}
