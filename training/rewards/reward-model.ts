import type { Backend } from "../../backends/backend.js";
import type { SampledBatch } from "./reward.js";

/** The scores of a reward model that the backend holds under a name, normalised by mean and std of its raw scores on reference answers. */
export function modelScores(backend: Backend, model: string, { mean, std }: { readonly mean: number; readonly std: number }): (batch: Pick<SampledBatch, "sequences" | "targets">) => Promise<Float64Array> {
  return async ({ sequences, targets }) => {
    const { scores } = await backend.forward(model, { batch: { sequences, targets }, quantities: ["scores"] });
    return Float64Array.from(scores!, (score) => (score - mean) / std);
  };
}
