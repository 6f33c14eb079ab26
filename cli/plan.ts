import { totalmem } from "node:os";
import { z } from "zod";
import { outlineModel } from "../models/outline.js";
import { stageBatches } from "../planner/batches.js";
import { decideAll } from "../planner/decide.js";
import { ppoDetails } from "../planner/details.js";
import { heldModels, memoryWarnings } from "../planner/held-models.js";
import { collectKnowledge, plansOfPipeline } from "../planner/knowledge.js";
import { createPlan } from "../planner/plan.js";
import { planResumption } from "../planner/resume.js";
import type { Plan } from "../schemas/plan.js";
import { queuesWithoutGpus, unattendedText } from "../temporal/attendance.js";
import { allowPathOption, defineCommand, jsonOption } from "./command.js";
import { decisionsText, fewOf, settingsText } from "./plan-view.js";
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
    all: { flags: "--all", summary: "give every copy that a sweep makes its line", schema: z.boolean().default(false) },
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
        ...(plan.sweep !== undefined && { sweep: plan.sweep }), batches: stageBatches(plan), models: held, unattended: await queuesWithoutGpus(store, plan.stages),
        stages: plan.stages.map((stage) => ({
          name: stage.name, kind: stage.kind, key: stage.key, after: stage.after, taskQueue: stage.taskQueue, ...decisions.get(stage.name),
        })),
      });
      return 0;
    }
    output.data(decisionsText(plan, decisions, options.all, output));
    if (run && resumption?.changes !== undefined && resumption.changes.length > 0) {
      output.data(`Against run ${run.id}: ${fewOf(resumption.changes, plan)}. ${resumptionSummary(resumption)}`);
    }
    output.data(settingsText(plan, held, options.all, output));
    const offers = await store.workers.present();
    for (const queue of await queuesWithoutGpus(store, plan.stages)) output.note(`${output.noteColors.yellow("warning:")} ${unattendedText(queue, plan.stages, offers)}`);
    for (const warning of warnings) output.note(`${output.noteColors.yellow("warning:")} ${warning}`);
    return 0;
  },
});

/** Parameters of the model directories that a plan names. */
async function directoryParameters({ stages }: Plan): Promise<Map<string, number>> {
  const paths = stages.flatMap(({ inputs }) => Object.values(inputs).flatMap((input) => (input.from === "directory" ? [(input.under?.[0] ?? input).path] : [])));
  const counted = await Promise.all([...new Set(paths)].map(async (path) => [path, (await outlineModel(path)).parameters] as const));
  return new Map(counted.flatMap(([path, parameters]) => (parameters === undefined ? [] : [[path, parameters] as const])));
}
