import { randomAt } from "../foundation/random.js";
import { blueprintOf, linearsOf } from "./blueprint.js";
import { type Head, type ModelConfiguration, writeConfiguration, writeGenerationConfiguration } from "./configuration.js";
import { parameterShapes, sizeOf } from "./parameters.js";
import { type Tensor, writeModelTensors } from "./safetensors.js";

/** Standard deviation of new matrices, as `initializer_range` in config.json says. */
const spread = 0.02;

/**
 * Writes config.json, generation_config.json and model.safetensors of a new model into an existing directory. The
 * same seed gives the same bytes. Tokenizer files are the caller's.
 * @throws TL_MODEL_CONFIGURATION.
 */
export async function initializeModel(
  directory: string, configuration: ModelConfiguration, seed: number, head: Head = "language",
): Promise<void> {
  await writeConfiguration(directory, configuration, head);
  await writeGenerationConfiguration(directory, configuration);
  await writeModelTensors(directory, initialTensors(configuration, head, seed));
}

/**
 * New parameters: matrices N(0, 0.02), those that write into the residual stream divided by √(2 · layers) as in GPT-2,
 * norms 1, biases 0; a score head N(0, 1/√(hidden + 1)), a value head 0. Source: N.
 */
export function initialTensors(configuration: ModelConfiguration, head: Head, seed: number): ReadonlyMap<string, Tensor> {
  const { layers, norm, label } = blueprintOf(configuration, head);
  const residual = spread / Math.sqrt(2 * configuration.layers);
  const labelSpread = head === "value" ? 0 : 1 / Math.sqrt(configuration.hidden + 1);
  const ones = new Set([...layers.flatMap((layer) => [layer.attentionNorm, layer.feedForwardNorm, ...Object.values(layer.headNorms ?? {})]), norm].map(({ weight }) => weight));
  const spreads = new Map(layers.flatMap(linearsOf).map((linear) => [linear.weight, linear.residual ? residual : spread]));
  if (label !== undefined) spreads.set(label.weight, labelSpread);
  const deviation = (name: string): number => (name.endsWith(".bias") ? 0 : spreads.get(name) ?? spread);
  return new Map([...parameterShapes(configuration, head)].map(([name, shape]) => {
    const data = new Float32Array(sizeOf(shape));
    if (ones.has(name)) data.fill(1);
    else fillNormal(data, deviation(name), seed, name);
    return [name, { shape, data }];
  }));
}

function fillNormal(data: Float32Array, deviation: number, seed: number, name: string): void {
  if (deviation === 0) return;
  const random = randomAt(seed, "initialize", name);
  for (let index = 0; index < data.length; index++) data[index] = random.normal() * deviation;
}
