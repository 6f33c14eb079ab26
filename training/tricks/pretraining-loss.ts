import { constant, multiply } from "../../backends/expressions.js";
import type { TrickParameters } from "../../schemas/tricks.js";
import { languageLoss } from "../language-loss.js";
import { allButFirst } from "../packing.js";
import type { Trick } from "./trick.js";

/** Rows of packed pretraining text, drawn for one update. */
export type DrawPretrainingRows = (count: number, update: number) => readonly Int32Array[];

/**
 * PPO-ptx: adds λ_ptx · mean cross-entropy on pretraining text to the policy's loss, at temperature 1.
 * Source: P eq. 17.
 */
export function pretrainingLoss({ coefficient, rows }: TrickParameters["pretrainingLoss"], draw: DrawPretrainingRows): Trick {
  return {
    policyPart: (update) => {
      const part = languageLoss(draw(rows, update).map((tokens) => ({ tokens, targets: allButFirst(tokens) })), coefficient);
      const crossEntropy = part.loss.map((term) => multiply(constant(1 / coefficient), term));
      return { ...part, statistics: { "loss/pretraining": crossEntropy } };
    },
  };
}
