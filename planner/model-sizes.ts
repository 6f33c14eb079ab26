import { maxModelBytes, parameterCount, trainedBytes } from "../models/parameters.js";
import type { ModelEntry } from "../schemas/spec.js";
import type { Draft } from "./draft.js";
import type { Fault } from "./fault.js";

type ScratchEntry = Extract<ModelEntry, { readonly architecture: string }>;

/** Sizes of a model from scratch, all of them. */
export function sizesOf(entry: ScratchEntry) {
  const { architecture, layers, hidden, heads, context, tiedEmbeddings, ropeTheta } = entry;
  const { keyValueHeads = heads, intermediate = Math.ceil(hidden / 3) * 8 } = entry;
  return { architecture, layers, hidden, heads, keyValueHeads, intermediate, context, tiedEmbeddings, ropeTheta };
}

/** Sizes of an entry of `models` that do not go together, or that no machine's embedded backend can hold. */
export function sizeFaults(draft: Draft, name: string, entry: ModelEntry): Fault[] {
  if (!("architecture" in entry)) return [];
  const { hidden, heads, keyValueHeads = heads } = entry;
  const fault = (field: string, message: string, hint?: string): Fault => ({ code: "TL_SPEC_WRONG_VALUE", path: ["models", name, field], message, hint });
  if (hidden % heads !== 0) return [fault("heads", `\`hidden\` ${hidden} does not divide into ${heads} heads`)];
  if ((hidden / heads) % 2 !== 0) return [fault("heads", `a head of ${hidden / heads} numbers is odd; rotary embeddings turn pairs`)];
  if (heads % keyValueHeads !== 0) return [fault("keyValueHeads", `${heads} heads do not divide among ${keyValueHeads} key-value heads`)];
  const tokenizer = draft.stages.get(entry.tokenizer)?.complete;
  const vocabulary = tokenizer?.kind === "tokenizer" ? tokenizer.vocabulary : 0;
  const parameters = parametersOf(entry, vocabulary);
  if (parameters * trainedBytes <= maxModelBytes) return [];
  return [fault(largestSize(entry, vocabulary),
    `\`${name}\` would have ${figure(parameters)} parameters, ${figure(parameters * trainedBytes / 2 ** 30)} GiB in training; the embedded backend holds at most ${maxModelBytes / 2 ** 30} GiB a model`,
    `${trainedBytes} bytes a parameter: weight, gradient and both of Adam's moments; ${figure(maxModelBytes / trainedBytes)} parameters fit`)];
}

/** Counted for one layer and multiplied, for the number of layers may be absurd too. */
function parametersOf(entry: ScratchEntry, vocabulary: number): number {
  const { architecture, ...sizes } = sizesOf(entry);
  const withLayers = (layers: number) => parameterCount({
    family: architecture, ...sizes, layers, vocabulary, headSize: sizes.hidden / sizes.heads, normEpsilon: 1e-5,
    attentionBias: false, outputBias: false, mlpBias: false, endTokens: [],
  }, "language");
  return withLayers(0) + entry.layers * (withLayers(1) - withLayers(0));
}

/** The field that makes a model so large: the one without which the fewest parameters would be left. */
function largestSize(entry: ScratchEntry, vocabulary: number): string {
  const without = { hidden: { hidden: entry.heads * 2 }, layers: { layers: 1 }, intermediate: { intermediate: 1 } };
  const left = (Object.entries(without)).filter(([field]) => field in entry)
    .map(([field, least]) => ({ field, left: parametersOf({ ...entry, ...least }, vocabulary) }));
  return left.sort((a, b) => a.left - b.left)[0]!.field;
}

const figure = (value: number): string => value < 1e4 ? String(Number(value.toPrecision(2))) : value.toPrecision(2);
