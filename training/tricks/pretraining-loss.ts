import type { StepPart } from "../../backends/backend.js";
import { logProbabilities, multiply, negate, perToken } from "../../backends/expressions.js";
import type { TrickParameters } from "../../schemas/tricks.js";
import type { Trick } from "./trick.js";

/** Rows of packed pretraining text, drawn for one update. */
export type DrawPretrainingRows = (count: number, update: number) => readonly Int32Array[];

/**
 * PPO-ptx: adds λ_ptx · mean cross-entropy on pretraining text to the policy's loss, at temperature 1.
 * Source: P eq. 17.
 */
export function pretrainingLoss({ coefficient, rows }: TrickParameters["pretrainingLoss"], draw: DrawPretrainingRows): Trick {
  return {
    policyPart: (update) => pretrainingPart(draw(rows, update), coefficient),
  };
}

function pretrainingPart(sequences: readonly Int32Array[], coefficient: number): StepPart {
  const targets = sequences.map((sequence) => Int32Array.from({ length: sequence.length - 1 }, (_, index) => index + 1));
  const tokens = targets.reduce((sum, row) => sum + row.length, 0);
  return {
    batch: { sequences, targets },
    arrays: {
      weight: new Float32Array(tokens).fill(coefficient / tokens),
      share: new Float32Array(tokens).fill(1 / tokens),
    },
    loss: [multiply(perToken("weight"), negate(logProbabilities))],
    statistics: { "loss/pretraining": [multiply(perToken("share"), negate(logProbabilities))] },
  };
}
