import { TruelineError } from "../foundation/errors.js";
import { suggestion } from "../planner/suggest.js";
import type { StageResult } from "../schemas/artifact.js";
import type { Store } from "../store/store.js";

/**
 * The result of a run's stage, and the directory of its artifact.
 * @throws TL_STORE_MISSING (no such run), TL_RUN_STAGE_UNKNOWN, TL_RUN_STAGE_UNFINISHED.
 */
export async function stageArtifact(store: Store, run: string, stageName: string): Promise<{ readonly result: StageResult; readonly directory: string }> {
  const { stages } = await store.runs.plan(run);
  const stage = stages.find(({ name }) => name === stageName);
  if (stage === undefined) {
    throw new TruelineError("TL_RUN_STAGE_UNKNOWN", `Run ${run} has no stage ${stageName}.`, { hint: suggestion(stageName, stages.map(({ name }) => name)) });
  }
  const result = await store.results.find(stage.key);
  if (result === undefined) {
    throw new TruelineError("TL_RUN_STAGE_UNFINISHED", `Stage ${stageName} of run ${run} has no result.`, { hint: `\`trueline status ${run}\` says how far it is.` });
  }
  return { result, directory: store.artifacts.directory(result.artifact) };
}
