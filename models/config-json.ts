import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import type { Head, ModelConfiguration } from "./architecture.js";
import { type Family, type FamilyName, families } from "./families.js";

/** What config.json and generation_config.json have in every family. */
const tokenId = z.number().int();

export const tokensForm = z.looseObject({
  bos_token_id: tokenId.nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId)]).nullish(),
  pad_token_id: tokenId.nullish(),
});
export type TokenFields = Pick<z.output<typeof tokensForm>, "bos_token_id" | "eos_token_id" | "pad_token_id">;

export const commonForm = tokensForm.extend({
  architectures: z.array(z.string()).nullish(),
  model_type: z.string().optional(),
  vocab_size: z.number().int(),
  num_labels: z.number().int().nullish(),
  id2label: z.record(z.string(), z.unknown()).nullish(),
  quantization_config: z.unknown().optional(),
});
export type CommonFields = z.output<typeof commonForm>;

/** A configuration but for what all families write alike. */
export type OwnConfiguration = Omit<ModelConfiguration, "family" | "vocabulary" | "beginToken" | "endTokens" | "padToken">;

/** How a family's config.json is read and written. */
export interface ConfigLayout {
  /** @throws TL_MODEL_CONFIGURATION, TL_MODEL_UNSUPPORTED naming the field of what would change the numbers. */
  readonly read: (json: unknown, family: FamilyName, path: string) => OwnConfiguration;
  /** All fields that are this family's own, sizes included. */
  readonly write: (configuration: ModelConfiguration) => Readonly<Record<string, unknown>>;
}

const classSuffixes: Readonly<Record<Exclude<Head, "language">, string>> = { score: "ForSequenceClassification", value: "ForTokenClassification" };

export function architectureName(name: FamilyName, head: Head): string {
  const family: Family = families[name];
  return family.className + (head === "language" ? family.languageSuffix : classSuffixes[head]);
}

export const familyNames: readonly FamilyName[] = Object.keys(families).filter((name): name is FamilyName => name in families);

/** Every architecture that can be read, by its name in config.json. */
export const architectures: ReadonlyMap<string, { readonly family: FamilyName; readonly head: Head }> = new Map(
  familyNames.flatMap((family) => (["language", "score", "value"] as const).map((head) => [architectureName(family, head), { family, head }] as const)),
);

/** The error for a field that asks for arithmetic that no family here has. */
export const refusal = (path: string, field: string, found: unknown, supported: string): TruelineError =>
  new TruelineError("TL_MODEL_UNSUPPORTED", `${path}: ${field} asks for ${typeof found === "string" ? found : JSON.stringify(found)}`, { hint: `Supported: ${supported}.` });

/** Values of a field that leave the numbers as they are; a field that is absent or null does too. */
export interface Neutral {
  readonly values: readonly unknown[];
  readonly supported: string;
}

const off: Neutral = { values: [false], supported: "models without it" };
const none: Neutral = { values: [], supported: "models without it" };
const one: Neutral = { values: [1], supported: "1" };

/** Fields that other architectures and forks compute with, and what their absence amounts to. */
const neutralFields: Readonly<Record<string, Neutral>> = {
  attn_logit_softcapping: none, final_logit_softcapping: none, logits_soft_cap: none, clip_qkv: none,
  partial_rotary_factor: one, rotary_pct: one, use_mrope: off, no_rope_layers: none, alibi: off,
  attention_multiplier: none, residual_multiplier: one, embedding_multiplier: one, logits_scaling: one, logit_scale: one,
  use_qk_norm: off, qk_layernorm: off, num_experts: none, num_local_experts: none,
};

/** @throws TL_MODEL_UNSUPPORTED naming the first field that would change the numbers. */
export function refuseFields(json: Readonly<Record<string, unknown>>, path: string, own: Readonly<Record<string, Neutral>>): void {
  for (const [field, { values, supported }] of Object.entries({ ...neutralFields, ...own })) {
    const found = json[field];
    if (found !== undefined && found !== null && !values.includes(found)) throw refusal(path, field, found, supported);
  }
}
