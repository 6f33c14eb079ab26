import { TruelineError } from "../foundation/errors.js";
import { suggestion } from "../foundation/suggest.js";
import { artifactTypes, type StageResult } from "../schemas/artifact.js";
import type { ArtifactType } from "../schemas/stages/table.js";
import type { Store } from "../store/store.js";

/**
 * The result of a run's stage, and the directory of its artifact. `types`: what the artifact may be; default anything.
 * @throws TL_STORE_MISSING (no such run), TL_RUN_STAGE_UNKNOWN, TL_RUN_STAGE_UNFINISHED, TL_GENERATE_MODEL (of another type).
 */
export async function stageArtifact(
  store: Store, run: string, stageName: string, types: readonly ArtifactType[] = artifactTypes.options,
): Promise<{ readonly result: StageResult; readonly directory: string }> {
  const { stages } = await store.runs.plan(run);
  const stage = stages.find(({ name }) => name === stageName);
  const suited = stages.filter(({ output }) => types.some((type) => type === output)).map(({ name }) => name);
  if (stage === undefined) {
    throw new TruelineError("TL_RUN_STAGE_UNKNOWN", `Run ${run} has no stage ${stageName}.`, { hint: suggestion(stageName, suited) });
  }
  if (!suited.includes(stageName)) {
    throw new TruelineError("TL_GENERATE_MODEL", `Stage ${stageName} leaves a ${stage.output}, no ${types.join(" or ")}.`, {
      hint: suited.length === 0 ? "No stage of the run leaves one." : `Stages that do: ${suited.join(", ")}.`,
    });
  }
  const result = await store.results.find(stage.key);
  if (result === undefined) {
    throw new TruelineError("TL_RUN_STAGE_UNFINISHED", `Stage ${stageName} of run ${run} has no result.`, { hint: `\`trueline status ${run}\` says how far it is.` });
  }
  return { result, directory: store.artifacts.directory(result.artifact) };
}
