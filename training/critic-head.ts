import type { LoadRequest } from "../backends/backend.js";
import type { ArtifactMetadata } from "../schemas/artifact.js";
import type { InputArtifact } from "./trainer.js";

/**
 * How a critic's value head is made where what it starts from has none: a value model must have one; a reward model's score head becomes
 * one, its normalisation folded in, so that values start on the scale of normalised scores; a language model gets a
 * head of zeros. Source: P figure 5 #8.
 */
export function criticHead({ type, metadata }: InputArtifact): LoadRequest["newHead"] {
  switch (type) {
    case "value-model": return undefined;
    case "reward-model": return { init: "fromScore", ...(metadata.scoreNormalization ?? { mean: 0, std: 1 }) };
    case "language-model": case "tokenizer": case "preferences": case "report": return { init: "zero" };
  }
}

/** Where the critic's value head came from, for whoever asks the artifact later. */
export function headOrigin({ type }: InputArtifact): NonNullable<ArtifactMetadata["valueHead"]> {
  switch (type) {
    case "value-model": return "its own";
    case "reward-model": return "score head";
    case "language-model": case "tokenizer": case "preferences": case "report": return "new";
  }
}
