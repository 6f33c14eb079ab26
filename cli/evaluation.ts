import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { suggestion } from "../foundation/suggest.js";
import { ANSWERS_FILE, answeredPromptSchema, REPORT_FILE, reportSchema, type AnsweredPrompt, type Report } from "../schemas/report.js";
import type { PlannedStage } from "../schemas/plan.js";
import type { Vote } from "../schemas/votes.js";
import type { Store } from "../store/store.js";
import { votesOn } from "../store/votes.js";
import type { Judging } from "../training/evaluation.js";
import { stageArtifact } from "./stage-artifact.js";

/** A finished evaluation of a run. */
export interface Evaluation {
  readonly stage: PlannedStage;
  readonly artifact: string;
  readonly report: Report;
  readonly answered: readonly AnsweredPrompt[];
  readonly judging: Judging;
  /** People's votes so far. */
  readonly votes: readonly Vote[];
}

/** Reads a finished evaluation. Errors: those of stageArtifact; TL_STORE_CORRUPT; TL_EVALUATION_STAGE for a stage of another kind. */
export async function readEvaluation(store: Store, run: string, name: string): Promise<Evaluation> {
  const { stages } = await store.runs.plan(run);
  const evaluations = stages.filter(({ kind }) => kind === "evaluate").map((each) => each.name);
  const stage = stages.find((each) => each.name === name);
  if (stage === undefined) throw new TruelineError("TL_RUN_STAGE_UNKNOWN", `Run ${run} has no stage ${name}.`, { hint: suggestion(name, evaluations) });
  if (stage.kind !== "evaluate") {
    throw new TruelineError("TL_EVALUATION_STAGE", `Stage ${name} of run ${run} is of kind ${stage.kind}, which compares no answers.`, {
      hint: evaluations.length === 0 ? "The run has no stage of kind evaluate." : `Stages that do: ${evaluations.join(", ")}.`,
    });
  }
  const { digest, directory } = await stageArtifact(store, run, name);
  const fault = await store.artifacts.fault(digest, { deep: true });
  if (fault !== undefined) throw new TruelineError("TL_STORE_CORRUPT", `The artifact of stage ${name} is damaged: ${fault}.`, { hint: `Make it again with: trueline resume ${run}` });
  const report = reportSchema.parse(JSON.parse(await readFile(join(directory, REPORT_FILE), "utf8")));
  const lines = (await readFile(join(directory, ANSWERS_FILE), "utf8")).trimEnd().split("\n");
  return {
    stage, artifact: digest, report, answered: lines.map((line) => answeredPromptSchema.parse(JSON.parse(line))),
    judging: { judge: report.judge, tieMargin: report.tieMargin, seed: report.sampling.seed },
    votes: votesOn(await store.ledger.read(run), name, digest),
  };
}
