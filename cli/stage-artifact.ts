import { join } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { suggestion } from "../foundation/suggest.js";
import { artifactTypes } from "../schemas/artifact.js";
import type { Plan } from "../schemas/plan.js";
import { parseMetrics, type MetricsLine } from "../schemas/report.js";
import { checkOutside } from "../models/sources.js";
import type { ArtifactType } from "../schemas/stages/table.js";
import { weightsOf } from "../store/adapter-base.js";
import { readIfThere } from "../store/files.js";
import { summarize, type StageSummary } from "../store/state.js";
import type { Store } from "../store/store.js";
import { METRICS_FILE } from "../training/loop.js";
import type { ModelWeights } from "../training/trainer.js";

/** What a stage of a run has left. */
export interface StageArtifact {
  readonly digest: string;
  readonly type: ArtifactType;
  readonly directory: string;
  readonly figures: Readonly<Record<string, number>>;
}

/**
 * The artifact of a run's stage: the one that the run's own ledger names, for another run may have set the key's result
 * aside and made a new one; else the key's present result. `types`: what the artifact may be; default anything.
 * @throws TL_STORE_MISSING (no such run), TL_RUN_STAGE_UNKNOWN, TL_RUN_STAGE_UNFINISHED, TL_GENERATE_MODEL (of another type).
 */
export async function stageArtifact(
  store: Store, run: string, stageName: string, types: readonly ArtifactType[] = artifactTypes.options,
): Promise<StageArtifact> {
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
  const found = (await stageArtifacts(store, run)).get(stageName);
  if (found === undefined) {
    const { removed } = summarize(await store.runs.plan(run), await store.ledger.read(run)).stages.find(({ name }) => name === stageName) ?? {};
    if (removed !== undefined) {
      throw new TruelineError("TL_STORE_MISSING", `The artifact of stage ${stageName} of run ${run} was ${removedText(removed)}.`, { hint: `Make it again with: trueline resume ${run}` });
    }
    throw new TruelineError("TL_RUN_STAGE_UNFINISHED", `Stage ${stageName} of run ${run} has no result.`, { hint: `\`trueline status ${run}\` says how far it is.` });
  }
  return found;
}

/** When and by whom an artifact was taken out of the store, as in "removed by ada@host on 2026-01-01 (gc --keep 5)". */
export function removedText({ at, actor, reason }: NonNullable<StageSummary["removed"]>): string {
  return `removed by ${actor} on ${at.slice(0, 10)}${reason === undefined ? "" : ` (${reason})`}`;
}

/** What a stage of a run has recorded of its training: all of it, or as far as its newest checkpoint. */
export interface RecordedMetrics {
  readonly lines: readonly MetricsLine[];
  /** Undefined where the stage has not finished. */
  readonly artifact: StageArtifact | undefined;
  /** Steps done, where it has not. */
  readonly step: number | undefined;
}

/** The recorded metrics of all stages of a run, by stage; none of a stage that left nothing yet. `plan` as for stageArtifacts. */
export async function recordedMetrics(store: Store, run: string, plan?: Plan): Promise<Map<string, RecordedMetrics>> {
  const { stages } = plan ?? await store.runs.plan(run);
  const artifacts = await stageArtifacts(store, run, plan);
  const found = await Promise.all(stages.map(async ({ name, key }): Promise<[string, RecordedMetrics][]> => {
    const artifact = artifacts.get(name);
    const checkpoint = artifact === undefined ? await store.checkpoints.newest(key) : undefined;
    const directory = artifact?.directory ?? checkpoint?.directory;
    if (directory === undefined) return [];
    const path = join(directory, METRICS_FILE);
    const text = await readIfThere(path);
    return [[name, { artifact, step: checkpoint?.step, lines: text === undefined ? [] : parseMetrics(text, path) }]];
  }));
  return new Map(found.flat());
}

/**
 * The artifacts of all stages of a run, by stage; none of a stage that has none yet, or whose artifact is damaged or gone.
 * `plan`: one that the run has had; default the one that holds now.
 */
export async function stageArtifacts(store: Store, run: string, plan?: Plan): Promise<Map<string, StageArtifact>> {
  const { stages } = summarize(plan ?? await store.runs.plan(run), await store.ledger.read(run));
  const found = await Promise.all(stages.map(async ({ name, key, artifact, figures = {} }): Promise<[string, StageArtifact][]> => {
    const known = artifact === undefined ? await store.results.find(key) : { artifact, figures };
    if (known === undefined || await store.artifacts.fault(known.artifact) !== undefined) return [];
    const { type } = await store.artifacts.read(known.artifact);
    return [[name, { digest: known.artifact, type, directory: store.artifacts.directory(known.artifact), figures: known.figures }]];
  }));
  return new Map(found.flat());
}

/** What an artifact's weights are made of. Errors: TL_STAGE_INPUT_CHANGED when what an adapter stands on outside the store has changed. */
export async function checkedWeights(store: Store, digest: string): Promise<ModelWeights> {
  const { outside, ...weights } = await weightsOf(store.artifacts, digest);
  if (outside !== undefined) await checkOutside(outside);
  return weights;
}
