import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { refusal } from "./config-json.js";
import { inForm } from "./json-file.js";
import { type RopeScaling, yarnMagnitude } from "./rotary.js";

/** `rope_theta` and `rope_scaling` beside it until transformers 5; both in `rope_parameters` since. */
export const ropeForm = z.looseObject({
  max_position_embeddings: z.number().int().optional(),
  original_max_position_embeddings: z.number().int().nullish(),
  rope_theta: z.number().nullish(),
  rope_scaling: z.looseObject({}).nullish(),
  rope_parameters: z.looseObject({ rope_theta: z.number().nullish() }).nullish(),
});
type RopeFields = z.output<typeof ropeForm>;

const number = z.number();
const factorForm = z.looseObject({ factor: number });
const llama3Form = factorForm.extend({ low_freq_factor: number, high_freq_factor: number, original_max_position_embeddings: number.nullish() });
const yarnForm = z.looseObject({
  factor: number.nullish(), original_max_position_embeddings: number.nullish(), attention_factor: number.nullish(),
  beta_fast: number.nullish(), beta_slow: number.nullish(), mscale: number.nullish(), mscale_all_dim: number.nullish(), truncate: z.boolean().optional(),
});

/** @throws TL_MODEL_CONFIGURATION, TL_MODEL_UNSUPPORTED naming the field. */
export function readRope(config: RopeFields, context: number, path: string): { readonly ropeTheta: number; readonly ropeScaling?: RopeScaling } {
  const field = config.rope_scaling ? "rope_scaling" : "rope_parameters";
  const given: Readonly<Record<string, unknown>> = config[field] ?? {};
  const ropeTheta = config.rope_parameters?.rope_theta ?? config.rope_theta ?? 10000;
  const supported = `"default", "linear", "dynamic", "llama3" and "yarn" over whole heads, the same in all layers`;
  const partial = given.partial_rotary_factor ?? 1;
  const nested = Object.values(given).some((value) => typeof value === "object" && value !== null);
  if (partial !== 1 || nested) throw refusal(path, field, given, supported);
  const kind = String(given.rope_type ?? given.type ?? "default");
  const parse = <Form extends z.ZodType>(form: Form) => {
    try {
      return inForm(given, form, `${path}: ${field}`);
    } catch (error) {
      throw error instanceof TruelineError
        ? new TruelineError(error.code, error.message, { hint: `${kind} needs it: take config.json from the model's source again.`, cause: error }) : error;
    }
  };
  const originalOf = (own: number | null | undefined): number => config.original_max_position_embeddings ?? own ?? context;
  switch (kind) {
    case "default": return { ropeTheta };
    case "linear": case "dynamic": return { ropeTheta, ropeScaling: { kind, factor: parse(factorForm).factor } };
    case "llama3": {
      const { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings: own } = parse(llama3Form);
      return { ropeTheta, ropeScaling: { kind, factor, lowFrequency: low_freq_factor, highFrequency: high_freq_factor, originalContext: originalOf(own) } };
    }
    case "yarn": {
      const yarn = parse(yarnForm);
      const originalContext = originalOf(yarn.original_max_position_embeddings);
      const factor = yarn.factor ?? context / originalContext;
      const [mscale, mscaleAll] = yarn.mscale && yarn.mscale_all_dim ? [yarn.mscale, yarn.mscale_all_dim] : [1, 0];
      return { ropeTheta, ropeScaling: {
        kind, factor, originalContext, betaFast: yarn.beta_fast || 32, betaSlow: yarn.beta_slow || 1, truncate: yarn.truncate ?? true,
        attentionFactor: yarn.attention_factor ?? yarnMagnitude(factor, mscale) / yarnMagnitude(factor, mscaleAll),
      } };
    }
    default: throw refusal(path, field, given, supported);
  }
}

/** The fields that say it, in the form that every version of transformers reads. */
export function writeRope(ropeTheta: number, scaling: RopeScaling | undefined): Readonly<Record<string, unknown>> {
  return { rope_theta: ropeTheta, ...(scaling === undefined ? {} : { rope_scaling: { rope_type: scaling.kind, ...ownFields(scaling) } }) };
}

function ownFields(scaling: RopeScaling): Readonly<Record<string, unknown>> {
  switch (scaling.kind) {
    case "linear": case "dynamic": return { factor: scaling.factor };
    case "llama3": return {
      factor: scaling.factor, low_freq_factor: scaling.lowFrequency, high_freq_factor: scaling.highFrequency,
      original_max_position_embeddings: scaling.originalContext,
    };
    case "yarn": return {
      factor: scaling.factor, original_max_position_embeddings: scaling.originalContext, attention_factor: scaling.attentionFactor,
      beta_fast: scaling.betaFast, beta_slow: scaling.betaSlow, truncate: scaling.truncate,
    };
  }
}
