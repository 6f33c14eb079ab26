import { stageBatches } from "../planner/batches.js";
import { z } from "zod";
import { decideAll, type Decision } from "../planner/decide.js";
import { ppoDetails, type StageDetails } from "../planner/details.js";
import { collectKnowledge, plansOfPipeline } from "../planner/knowledge.js";
import { createPlan } from "../planner/plan.js";
import { planResumption } from "../planner/resume.js";
import type { Plan } from "../schemas/plan.js";
import { queuesWithoutGpus, unattendedText } from "../temporal/attendance.js";
import { allowPathOption, defineCommand, jsonOption } from "./command.js";
import { duration, table, type Output } from "./output.js";
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
    const decisions = decideAll(plan, await collectKnowledge(store, plan, await plansOfPipeline(store, plan.name)));
    const run = options.against === undefined ? (await store.runs.list()).find(({ name }) => name === plan.name) : await store.runs.read(options.against);
    const resumption = run && await planResumption(store, run.id, { plan });
    if (options.json) {
      output.json({
        against: run && resumption ? { run: run.id, ...resumptionJson(resumption) } : null,
        name: plan.name, specPath: plan.specPath, specDigest: plan.specDigest, warnings: plan.warnings, ppo: ppoDetails(plan),
        batches: stageBatches(plan), unattended: await queuesWithoutGpus(store, plan.stages),
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
    for (const details of ppoDetails(plan)) output.data(`\n${detailsTable(details, output)}`);
    const offers = await store.workers.present();
    for (const queue of await queuesWithoutGpus(store, plan.stages)) output.note(`${output.noteColors.yellow("warning:")} ${unattendedText(queue, plan.stages, offers)}`);
    for (const warning of plan.warnings) output.note(`${output.noteColors.yellow("warning:")} ${warning}`);
    return 0;
  },
});

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
