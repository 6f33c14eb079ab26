import { join } from "node:path";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import type { Head, ModelConfiguration } from "./architecture.js";
import { adaptableLayers, type AdaptableLayer } from "./adapter.js";
import { commonForm } from "./config-json.js";
import { describeModel, tokensOf } from "./configuration.js";
import { inForm, readJson } from "./json-file.js";
import { parameterCount } from "./parameters.js";

/** What a plan has to know of a model directory, whichever backend computes it. */
export interface ModelOutline extends Pick<ModelConfiguration, "context" | "endTokens" | "padToken"> {
  readonly head: Head;
  /** Undefined where the embedded backend does not compute it. */
  readonly parameters?: number;
  /** Those that an adapter may stand on. Undefined where the embedded backend does not compute it. */
  readonly layers?: readonly AdaptableLayer[];
  /** Why the embedded backend does not compute it. */
  readonly refusal?: TruelineError;
}

const length = z.number().int().positive().optional();
const lengthsForm = z.looseObject({ max_position_embeddings: length, n_positions: length, n_ctx: length, max_seq_len: length, max_sequence_length: length });
const looseForm = lengthsForm.extend({ text_config: lengthsForm.nullish() });

/**
 * A model that the embedded backend computes as it is described; of any other that names its architecture and its longest row these
 * alone, for the torch backend, which loads what transformers loads.
 * @throws TL_MODEL_MISSING, TL_MODEL_CONFIGURATION, TL_MODEL_UNSUPPORTED.
 */
export async function outlineModel(directory: string): Promise<ModelOutline> {
  try {
    const { configuration, head } = await describeModel(directory);
    const { context, endTokens, padToken } = configuration;
    return { head, context, endTokens, padToken, parameters: parameterCount(configuration, head), layers: adaptableLayers(configuration) };
  } catch (error) {
    if (!(error instanceof TruelineError && error.code === "TL_MODEL_UNSUPPORTED")) throw error;
    const outline = await looseOutline(directory);
    if (outline === undefined) throw error;
    return { ...outline, refusal: error };
  }
}

async function looseOutline(directory: string): Promise<Omit<ModelOutline, "refusal"> | undefined> {
  const path = join(directory, "config.json");
  const json = await readJson(path, z.looseObject({}));
  const config = inForm(json, commonForm.partial({ vocab_size: true }), path);
  const name = config.architectures?.[0];
  const { text_config: text, ...own } = inForm(json, looseForm, path);
  const [context] = [own, text].flatMap((each) => [each?.max_position_embeddings, each?.n_positions, each?.n_ctx, each?.max_seq_len, each?.max_sequence_length]).filter((each) => each !== undefined);
  if (name === undefined || context === undefined) return undefined;
  const head = name.endsWith("ForSequenceClassification") ? "score" : name.endsWith("ForTokenClassification") ? "value" : "language";
  const labels = config.num_labels ?? (config.id2label ? Object.keys(config.id2label).length : 2);
  // nothing loads a classifier of several labels, nor quantized weights to be trained
  if (config.quantization_config != null || (head !== "language" && labels !== 1)) return undefined;
  return { head, context, ...await tokensOf(directory, config) };
}
