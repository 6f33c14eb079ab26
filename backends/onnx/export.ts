import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { TruelineError } from "../../foundation/errors.js";
import { writeDurably } from "../../foundation/files.js";
import type { ModelConfiguration } from "../../models/architecture.js";
import { blueprintOf } from "../../models/blueprint.js";
import { describeModel } from "../../models/configuration.js";
import type { FamilyName } from "../../models/families.js";
import { checkTensors, parameterShapes } from "../../models/parameters.js";
import { type Tensor, readModelTensors } from "../../models/safetensors.js";
import { exportedGraph } from "./exported-graph.js";
import type { ParameterSource } from "./generation-graph.js";
import type { GraphBuilder, Place } from "./graph.js";

const graphFile = "onnx/model.onnx";
/** The name that transformers.js looks for. */
const weightsFile = "model.onnx_data";
/** Tensors begin at multiples of this, so that they can be mapped. */
const alignment = 4096;

/**
 * Adds to a language model's directory what generates with it elsewhere: `onnx/model.onnx` with a KV cache, in float32, and
 * `genai_config.json` for onnxruntime-genai. Weights of more than `largestInside` bytes lie in a file of their own beside it.
 * @throws TL_EXPORT_HEAD for models that generate nothing, TL_MODEL_*.
 */
export async function addOnnx(directory: string, largestInside = 2 ** 30): Promise<{ readonly weightsBeside: boolean }> {
  const { configuration, head } = await describeModel(directory);
  if (head !== "language") {
    throw new TruelineError("TL_EXPORT_HEAD", `This model has a ${head} head; the ONNX file is for language models, which generate.`, { hint: "Leave --onnx out." });
  }
  const shapes = parameterShapes(configuration, "language");
  const tensors = await readModelTensors(directory);
  checkTensors(tensors, shapes, directory);
  const parameters = [...shapes.keys()].map((name) => [name, tensors.get(name)!] as const);
  const weightsBeside = parameters.reduce((sum, [, { data }]) => sum + data.byteLength, 0) > largestInside;
  await mkdir(join(directory, "onnx"));
  const source = weightsBeside ? await externals(join(directory, "onnx", weightsFile), parameters)
    : (graph: GraphBuilder, name: string) => graph.initializer(name, tensors.get(name)!.data, tensors.get(name)!.shape);
  await writeDurably(join(directory, graphFile), [exportedGraph(configuration, blueprintOf(configuration, "language"), source, weightsFile)]);
  await writeDurably(join(directory, "genai_config.json"), json(genaiConfiguration(configuration)));
  return { weightsBeside };
}

/** Writes parameters into a file; gives where in it a graph finds them. */
async function externals(path: string, parameters: readonly (readonly [string, Tensor])[]): Promise<ParameterSource> {
  const places = new Map<string, { readonly shape: readonly number[]; readonly place: Place }>();
  const pieces: Uint8Array[] = [];
  let end = 0;
  for (const [name, { shape, data }] of parameters) {
    const offset = Math.ceil(end / alignment) * alignment;
    places.set(name, { shape, place: { offset, length: data.byteLength } });
    pieces.push(new Uint8Array(offset - end), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    end = offset + data.byteLength;
  }
  await writeDurably(path, pieces);
  return (graph, name) => graph.external(name, places.get(name)!.shape, places.get(name)!.place);
}

const json = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`;

/** Names of the families in onnxruntime-genai. Its "gpt2" has one tensor for keys and values; "decoder" is any with two. */
const genaiTypes: Readonly<Record<FamilyName, string>> = { llama: "llama", mistral: "mistral", qwen2: "qwen2", qwen3: "qwen3", gpt2: "decoder" };

/** What onnxruntime-genai reads. Fields: its documentation of genai_config.json. */
function genaiConfiguration(configuration: ModelConfiguration): object {
  const { family, vocabulary, hidden, layers, heads, keyValueHeads, headSize, context, beginToken, endTokens, padToken } = configuration;
  const [end = 0] = endTokens;
  return {
    model: {
      type: genaiTypes[family], vocab_size: vocabulary, context_length: context,
      bos_token_id: beginToken ?? end, eos_token_id: endTokens.length > 1 ? endTokens : end, pad_token_id: padToken ?? end,
      decoder: {
        session_options: { log_id: "trueline", provider_options: [] }, filename: graphFile,
        head_size: headSize, hidden_size: hidden, num_attention_heads: heads, num_hidden_layers: layers, num_key_value_heads: keyValueHeads,
        inputs: {
          input_ids: "input_ids", attention_mask: "attention_mask", position_ids: "position_ids",
          past_key_names: "past_key_values.%d.key", past_value_names: "past_key_values.%d.value",
        },
        outputs: { logits: "logits", present_key_names: "present.%d.key", present_value_names: "present.%d.value" },
      },
    },
    search: { do_sample: false, max_length: context, num_beams: 1, past_present_share_buffer: false, temperature: 1, top_k: 1, top_p: 1 },
  };
}
