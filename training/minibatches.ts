import type { StepResult } from "../backends/backend.js";
import { permutation, randomAt } from "../foundation/random.js";
import { mean } from "./experience.js";
import type { Metrics } from "./trainer.js";

export interface MinibatchSettings {
  readonly seed: number;
  /** Passes over the iteration's rows. */
  readonly epochs: number;
  /** Rows an update. */
  readonly minibatch: number;
}

/**
 * Goes through an iteration's rows in minibatches, each epoch in a fresh random order that follows from seed, iteration
 * and epoch. `update` counts the run's updates. Returns the mean of the updates' metrics.
 */
export async function overMinibatches(
  rows: number, { seed, epochs, minibatch }: MinibatchSettings, iteration: number,
  step: (rows: Int32Array, update: number) => Promise<Metrics>,
): Promise<Metrics> {
  const updatesAnEpoch = Math.ceil(rows / minibatch);
  const seen: Metrics[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = permutation(randomAt(seed, "minibatches", iteration, epoch), rows);
    for (let part = 0; part < updatesAnEpoch; part++) {
      const update = (iteration * epochs + epoch) * updatesAnEpoch + part;
      seen.push(await step(order.subarray(part * minibatch, (part + 1) * minibatch), update));
    }
  }
  const names = Object.keys(seen[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, mean(seen.map((metrics) => metrics[name]!))]));
}

/** The metrics of one update: loss and gradient norm of that name, and the parts' statistics. */
export function updateMetrics(loss: "policy" | "value", result: StepResult): Metrics {
  return {
    [`loss/${loss}`]: result.losses[0]!,
    [`${loss}/gradient_norm`]: result.gradientNorm,
    ...Object.assign({}, ...result.statistics),
  };
}
