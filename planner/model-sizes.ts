import { maxModelBytes, parameterCount, trainedBytes } from "../models/parameters.js";
import { type Family, families } from "../models/families.js";
import { scratchConfiguration } from "../models/scratch.js";
import type { ModelEntry, ScratchSizes } from "../schemas/spec.js";
import { ancestryOf } from "./ancestry.js";
import type { Draft } from "./draft.js";
import type { Facts } from "./facts.js";
import type { Fault } from "./fault.js";

type ScratchEntry = Extract<ModelEntry, { readonly architecture: string }>;

/** Sizes of a model from scratch: all that its architecture has, and those that were left out and have no default only where they were given. */
export function sizesOf(entry: ScratchEntry): ScratchSizes {
  const { architecture, layers, hidden, heads, context, tiedEmbeddings, ropeTheta = 10000, headSize, window } = entry;
  const rotary = families[architecture].positions === "rotary";
  const { keyValueHeads = heads, intermediate = rotary ? Math.ceil(hidden / 3) * 8 : 4 * hidden } = entry;
  return {
    architecture, layers, hidden, heads, keyValueHeads, intermediate, context, tiedEmbeddings, ...(rotary && { ropeTheta }),
    ...(headSize !== undefined && { headSize }), ...(window !== undefined && { window }),
  };
}

/** Sizes of an entry of `models` that do not go together, or that no machine's embedded backend can hold, where a stage uses that. */
export function sizeFaults(draft: Draft, facts: Facts, name: string, entry: ModelEntry): Fault[] {
  if (!("architecture" in entry)) return [];
  const { hidden, heads, keyValueHeads = heads, headSize = hidden / heads } = entry;
  const fault = (field: string, message: string, hint?: string): Fault => ({ code: "TL_SPEC_WRONG_VALUE", path: ["models", name, field], message, hint });
  const strange = foreignField(entry);
  if (strange !== undefined) return [fault(strange.field, `a ${entry.architecture} model has no \`${strange.field}\``, strange.hint)];
  if (entry.headSize === undefined && hidden % heads !== 0) return [fault("heads", `\`hidden\` ${hidden} does not divide into ${heads} heads`)];
  if (families[entry.architecture].positions === "rotary" && headSize % 2 !== 0) {
    return [fault(entry.headSize === undefined ? "heads" : "headSize", `a head of ${headSize} numbers is odd; rotary embeddings turn pairs`)];
  }
  if (heads % keyValueHeads !== 0) return [fault("keyValueHeads", `${heads} heads do not divide among ${keyValueHeads} key-value heads`)];
  const tokenizer = draft.stages.get(entry.tokenizer)?.complete;
  const vocabulary = tokenizer?.kind === "tokenizer" ? tokenizer.vocabulary : 0;
  const parameters = scratchParameters(sizesOf(entry), vocabulary);
  if (!isEmbedded(draft, facts, name) || parameters * trainedBytes <= maxModelBytes) return [];
  return [fault(largestSize(entry, vocabulary),
    `\`${name}\` would have ${figure(parameters)} parameters, ${figure(parameters * trainedBytes / 2 ** 30)} GiB in training; the embedded backend holds at most ${maxModelBytes / 2 ** 30} GiB a model`,
    `${trainedBytes} bytes a parameter: weight, gradient and both of Adam's moments; ${figure(maxModelBytes / trainedBytes)} parameters fit`)];
}

/** A field that the architecture does not have, and what it has instead. */
function foreignField(entry: ScratchEntry): { readonly field: string; readonly hint: string } | undefined {
  const family: Family = families[entry.architecture];
  const fused = "fused" in family.names.projections;
  const foreign = {
    keyValueHeads: fused && "it has as many as it has heads", headSize: fused && "its heads share `hidden`",
    ropeTheta: family.positions === "learned" && "its positions are learned", window: family.window !== "all layers" && "of the architectures from scratch, mistral has one",
  };
  return Object.entries(foreign).flatMap(([field, hint]) => (hint !== false && entry[field as keyof typeof foreign] !== undefined ? [{ field, hint }] : []))[0];
}

/** Whether a stage computes with the model, or one made from it, on the embedded backend. */
function isEmbedded(draft: Draft, facts: Facts, model: string): boolean {
  return [...draft.stages.values()].some((stage) => stage !== undefined && stage.complete?.resources.backend !== "torch"
    && stage.references.some((reference) => ancestryOf(draft, facts, reference.name)?.root === model));
}

/** Parameters of a model from scratch with a language head. Counted for one layer and multiplied, for the number of layers may be absurd. */
export function scratchParameters(sizes: ScratchSizes, vocabulary: number): number {
  const withLayers = (layers: number) => parameterCount(scratchConfiguration({ ...sizes, window: undefined, layers }, { vocabulary, endTokens: [] }), "language");
  return withLayers(0) + sizes.layers * (withLayers(1) - withLayers(0));
}

/** The field that makes a model so large: the one without which the fewest parameters would be left. */
function largestSize(entry: ScratchEntry, vocabulary: number): string {
  const without = { hidden: { hidden: entry.heads * 2 }, layers: { layers: 1 }, intermediate: { intermediate: 1 } };
  const left = (Object.entries(without)).filter(([field]) => field in entry)
    .map(([field, least]) => ({ field, left: scratchParameters(sizesOf({ ...entry, ...least }), vocabulary) }));
  return left.sort((a, b) => a.left - b.left)[0]!.field;
}

const figure = (value: number): string => value < 1e4 ? String(Number(value.toPrecision(2))) : value.toPrecision(2);
