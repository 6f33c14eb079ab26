import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { TruelineError } from "../../foundation/errors.js";
import { writeDurably } from "../../foundation/files.js";
import { readRegular } from "../../foundation/regular-file.js";
import type { ModelConfiguration } from "../../models/architecture.js";
import { blueprintOf } from "../../models/blueprint.js";
import { describeModel } from "../../models/configuration.js";
import type { FamilyName } from "../../models/families.js";
import { checkTensors, parameterShapes } from "../../models/parameters.js";
import { readModelTensors } from "../../models/safetensors.js";
import { exportedGraph, type StoredParameter } from "./exported-graph.js";

const graphFile = "onnx/model.onnx";
/** The name that transformers.js looks for. */
const weightsFile = "model.onnx_data";
/** Tensors begin at multiples of this, so that they can be mapped. */
const alignment = 4096;
const configBytes = 1 << 24;

/**
 * Adds to a language model's directory what generates with it elsewhere: `onnx/model.onnx` with a KV cache and its weights beside it, in
 * float32; `genai_config.json` for onnxruntime-genai; a member of config.json for transformers.js.
 * @throws TL_EXPORT_HEAD for models that generate nothing, TL_MODEL_*.
 */
export async function addOnnx(directory: string): Promise<void> {
  const { configuration, head } = await describeModel(directory);
  if (head !== "language") {
    throw new TruelineError("TL_EXPORT_HEAD", `This model has a ${head} head; the ONNX file is for language models, which generate.`, { hint: "Leave --onnx out." });
  }
  const shapes = parameterShapes(configuration, "language");
  const tensors = await readModelTensors(directory);
  checkTensors(tensors, shapes, directory);
  const parameters = new Map<string, StoredParameter>();
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (const [name, shape] of shapes) {
    const { data } = tensors.get(name)!;
    const gap = (alignment - offset % alignment) % alignment;
    parameters.set(name, { shape, place: { offset: offset + gap, length: data.byteLength } });
    pieces.push(new Uint8Array(gap), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    offset += gap + data.byteLength;
  }
  await mkdir(join(directory, "onnx"));
  await writeDurably(join(directory, "onnx", weightsFile), pieces);
  await writeDurably(join(directory, graphFile), [exportedGraph(configuration, blueprintOf(configuration, "language"), weightsFile, parameters)]);
  await writeDurably(join(directory, "genai_config.json"), json(genaiConfiguration(configuration)));
  const config = z.looseObject({}).parse(JSON.parse(await readRegular(join(directory, "config.json"), configBytes)));
  await writeDurably(join(directory, "config.json"), json({ ...config, "transformers.js_config": { use_external_data_format: true } }));
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
