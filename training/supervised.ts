import { z } from "zod";
import type { StepPart, StepResult } from "../backends/backend.js";
import type { Tokenizer } from "../models/tokenizer.js";
import type { ArtifactMetadata } from "../schemas/artifact.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { optimizerAt, readCheckpointState, saveCheckpoint, saveModel, type OptimizerParameters } from "./models.js";
import type { InputArtifact, Metrics, StageData, Trainer, TrainerSetup } from "./trainer.js";

/** Held-out measurements on the way, the last step's included. */
const HELD_OUT_MEASUREMENTS = 5;

/** Held-out rows that a measurement looks at, at most. */
export const HELD_OUT_ROWS = 256;

const stateSchema = z.strictObject({ latest: z.record(z.string(), z.number()) });

/** What one supervised stage adds to the common course of them all. */
export interface SupervisedStage {
  /** The model's name in the backend, already loaded for training. */
  readonly model: string;
  /** What it started from. */
  readonly from: InputArtifact;
  readonly tokenizer: Tokenizer;
  readonly steps: number;
  readonly headline: readonly string[];
  readonly counts: NonNullable<ArtifactMetadata["data"]>;
  /** The batch and loss of step `index`; must follow from seed and index alone. */
  part(index: number): StepPart | Promise<StepPart>;
  /** The stage's own figures of a step. */
  metrics(result: StepResult, part: StepPart): Metrics;
  /** Measures the model on held-out rows; absent where nothing is held out. */
  heldOut?(): Promise<Metrics>;
  /** Writes more files than the model's and says more than figures and counts. */
  finish?(directory: string): Promise<Partial<ArtifactMetadata>>;
}

/**
 * A stage of one model and one loss: a step is a batch and an AdamW update. Its checkpoint holds the model, both Adam
 * moments, and the newest figures, so that the artifact says the same after a resume.
 */
export async function supervisedTrainer(
  setup: Pick<TrainerSetup<OptimizerParameters & Pick<StageParameters<"sft">, "lora">>, "backend" | "parameters" | "resume" | "phase">, stage: SupervisedStage,
): Promise<Trainer> {
  const { backend, parameters, resume } = setup;
  const { model, steps, tokenizer } = stage;
  const every = Math.ceil(steps / HELD_OUT_MEASUREMENTS);
  let latest: Metrics = resume === undefined ? {} : (await readCheckpointState(resume.directory, stateSchema)).latest;
  return {
    steps,
    headline: stage.headline,
    async step(index) {
      const part = await stage.part(index);
      const optimizer = optimizerAt(parameters, index, steps);
      const result = await backend.step(model, { parts: [part], optimizer });
      const own = stage.metrics(result, part);
      const measures = (index + 1) % every === 0 || index + 1 === steps;
      const healthy = Number.isFinite(result.gradientNorm) && Object.values(own).every(Number.isFinite);
      const heldOut = measures && healthy ? await stage.heldOut?.() : undefined;
      latest = { ...latest, ...own, ...heldOut };
      return {
        ...own,
        learning_rate: optimizer.learningRate,
        gradient_norm: result.gradientNorm,
        tokens: part.batch.sequences.reduce((sum, row) => sum + row.length, 0),
        ...heldOut,
      };
    },
    checkpoint: (directory) => saveCheckpoint(backend, directory, [model], { latest }),
    async finish(directory) {
      setup.phase("saving the model");
      const saved = await saveModel(setup, stage, directory, tokenizer);
      const { figures, ...more } = await stage.finish?.(directory) ?? {};
      return { ...saved, ...more, figures: { ...latest, ...figures }, data: stage.counts };
    },
  };
}

/** Row counts by data entry, with the counts of fitting rows to the context where the rows are one entry's. */
export function dataCounts(data: StageData, fitted: Readonly<Record<string, number>>): NonNullable<ArtifactMetadata["data"]> {
  const entries = Object.entries(data.counts);
  const [only] = entries;
  if (only === undefined || entries.length > 1) return { ...copied(entries), all: { ...fitted } };
  return { [only[0]]: { ...only[1], ...fitted } };
}

function copied(entries: readonly (readonly [string, Readonly<Record<string, number>>])[]): Record<string, Record<string, number>> {
  return Object.fromEntries(entries.map(([name, counts]) => [name, { ...counts }]));
}
