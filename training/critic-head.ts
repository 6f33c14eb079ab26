import type { LoadRequest } from "../backends/backend.js";
import type { InputArtifact } from "./trainer.js";

/**
 * How a critic's value head comes from what it starts from: a value model has one; a reward model's score head becomes
 * one, its normalisation folded in, so that values start on the scale of normalised scores; a language model gets a
 * head of zeros. Source: P figure 5 #8.
 */
export function criticHead({ type, metadata }: InputArtifact): NonNullable<LoadRequest["newHead"]> {
  return type === "reward-model"
    ? { init: "fromScore", ...(metadata.scoreNormalization ?? { mean: 0, std: 1 }) }
    : { init: "zero" };
}
