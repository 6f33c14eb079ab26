import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { upToStage } from "../planner/order.js";
import { createPlan } from "../planner/plan.js";
import { planResumption, type Resumption, type ResumeRequest } from "../planner/resume.js";
import { presentSources, refuseChangedSources, shownParts } from "../planner/resume-shown.js";
import { checkToken, tokenOf } from "../planner/resume-token.js";
import type { Plan } from "../schemas/plan.js";
import { hasEnded, isWorkedOn, observe, presentPipelines, type ObservedRun } from "../temporal/observe.js";
import type { Store } from "../store/store.js";
import { goOn } from "./attempt.js";
import { allowPathOption, defineCommand, jsonOption } from "./command.js";
import { resumptionJson, resumptionText } from "./resume-view.js";
import { conclude, endingHelp, refuseUnknownStage, slotsOption, untilOption } from "./run.js";
import { reasonOption } from "./order.js";
import { openStore } from "./store.js";
import { allResults } from "./submission.js";

const text = z.string().min(1).optional();

/** `trueline resume RUN`: goes on with a run that failed, was cancelled or was interrupted, also with an edited spec. */
export const resumeCommand = defineCommand({
  name: "resume",
  arguments: "<run>",
  summary: "go on with a run that failed, was cancelled or was interrupted, also with an edited spec",
  details: "The run's frozen plan is continued: finished stages are kept, others go on from their newest checkpoint. A server that lost\n"
    + "its history makes no difference. --spec replaces the plan: only what the edit invalidates is computed anew. --preview shows\n"
    + `what would happen, with a token; --token carries out what was shown, and refuses if anything has changed since.\n${endingHelp}`,
  examples: [
    "trueline resume hh-ppo-max-20260101-k3v9qz", "trueline resume hh-ppo-max-20260101-k3v9qz --spec edited.json --preview",
    "trueline resume hh-ppo-max-20260101-k3v9qz --from ppo --reason 'another worker image'",
  ],
  options: {
    json: jsonOption, slots: slotsOption, allowPath: allowPathOption,
    spec: { flags: "--spec <file>", summary: "go on with this spec of the same pipeline instead of the frozen one", schema: text },
    preview: { flags: "--preview", summary: "show what would happen, and a token; change nothing", schema: z.boolean().default(false) },
    token: { flags: "--token <token>", summary: "do what the preview with this token showed, or nothing", schema: text },
    from: { flags: "--from <stage>", summary: "compute this stage and everything after it anew", schema: text },
    until: untilOption,
    reason: reasonOption,
  },
  async run({ arguments: [id = ""], options, output }) {
    const store = openStore();
    const run = await observeNow(store, id);
    if (isWorkedOn(run)) {
      throw new TruelineError("TL_RUN_ALIVE", `Run ${id} is ${run.state}.`, { hint: `Follow it with: trueline watch ${id}` });
    }
    const { from, until } = options;
    const plan = options.spec === undefined ? undefined : await editedPlan(run, options.spec, options.allowPath);
    refuseUnknownStages(id, plan ?? run.plan, { from, until });
    const resumption = await planResumption(store, id, { plan, from, until });
    const sources = await presentSources(resumption);
    const shown = shownParts(resumption, sources, { spec: plan?.specPath, from, until });
    if (options.token !== undefined) checkToken(options.token, shown);
    refuseChangedSources(sources);
    if (options.preview) {
      const token = tokenOf(shown);
      if (options.json) output.json({ id, state: run.state, preview: true, ...resumptionJson(resumption), token });
      else output.data(`${resumptionText(resumption, output)}\n\nNothing was changed. To do exactly this:\n${commandLine(id, options, token)}`);
      return 0;
    }
    if (await isOver(store, run, resumption)) {
      output.note(`Run ${id} is ${run.state}; there is nothing to go on with.`);
      return conclude(run, store, output, options.json);
    }
    output.note(resumptionText(resumption, { colors: output.noteColors }));
    return goOn(store, run, output, { ...options, only: resumption.only, change: resumption });
  },
});

/** @throws SpecError and all that planning throws; TL_RESUME_PIPELINE. */
async function editedPlan(run: ObservedRun, path: string, allowPaths: readonly string[]): Promise<Plan> {
  const plan = await createPlan(path, { allowPaths });
  if (plan.name === run.name) return plan;
  throw new TruelineError("TL_RESUME_PIPELINE", `${path} is the pipeline "${plan.name}", and run ${run.id} is of "${run.name}".`, {
    hint: `Start it as a run of its own: trueline run ${path}`,
  });
}

/** @throws TL_RUN_STAGE_UNKNOWN; TL_USAGE where --from begins after --until has ended. */
function refuseUnknownStages(id: string, { stages }: Plan, { from, until }: Pick<ResumeRequest, "from" | "until">): void {
  for (const [option, stage] of [["--from", from], ["--until", until]] as const) {
    if (stage !== undefined) refuseUnknownStage(option, `run ${id}`, stage, stages);
  }
  if (from !== undefined && until !== undefined && !upToStage(stages, until).has(from)) {
    throw new TruelineError("TL_USAGE", `--until ${until} does not need ${from}, which --from names: nothing of it would be computed.`);
  }
}

/** Whether the resume would add nothing to a run that has all that it could give. */
async function isOver(store: Store, run: ObservedRun, { plan, changes, setAside, only }: Resumption): Promise<boolean> {
  if (changes !== undefined || setAside.length > 0 || !hasEnded(run)) return false;
  if (run.state !== "finished" && only === undefined) return false;
  const stages = plan.stages.filter(({ name }) => only?.includes(name) ?? true);
  // Results that other runs left say nothing of this one.
  const done = new Set(run.stages.flatMap(({ name, state }) => (state === "finished" || state === "reused" ? [name] : [])));
  if (!stages.every(({ name }) => done.has(name))) return false;
  return await allResults(store, { stages }) !== undefined;
}

interface Given {
  readonly spec: string | undefined;
  readonly from: string | undefined;
  readonly until: string | undefined;
  readonly allowPath: readonly string[];
}

/** The command that carries out what a preview showed. */
function commandLine(id: string, { spec, from, until, allowPath }: Given, token: string): string {
  const options = [["--spec", spec], ["--from", from], ["--until", until], ...allowPath.map((path) => ["--allow-path", path])];
  return ["trueline resume", id, ...options.flatMap(([name, value]) => value === undefined ? [] : [`${name} ${value}`]), `--token ${token}`].join(" ");
}

/** A run as it is now, asked of the store and of the server that is there. */
export async function observeNow(store: Store, id: string): Promise<ObservedRun> {
  const record = await store.runs.read(id);
  const recorded = await observe(store, record, undefined);
  // Of a run that has ended the ledger says all: no server need be there.
  if (hasEnded(recorded)) return recorded;
  const pipelines = await presentPipelines(store.home);
  try {
    return await observe(store, record, pipelines);
  } finally {
    await pipelines?.close();
  }
}
