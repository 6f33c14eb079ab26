import { z } from "zod";
import { rowCount, stepCount } from "../counts.js";
import { guardsSchema } from "../guards.js";
import { dataReferences, mixtureWords, loraParameters, operationalParameters, optimizerParameters, reference, rowLimits } from "./common.js";

/** What a guard's rollback may change. */
const changeable = z.strictObject({
  learningRate: optimizerParameters.learningRate, weightDecay: z.number().min(0), maxGradientNorm: z.number().positive(), beta: z.number().positive(),
}).partial();

export const dpoParameters = z.strictObject({
  kind: z.literal("dpo"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  policy: reference("a language model: where the policy starts"),
  reference: reference("a language model that the policy is measured against; default: `policy`").optional(),
  data: dataReferences("a data entry with pairs").describe(`Name of a data entry with pairs, or of a stage that makes them. ${mixtureWords}`),
  loss: z.enum(["sigmoid", "hinge", "ipo"]).default("sigmoid")
    .describe("Of Δ, by how much more the policy than the reference prefers the chosen answer: −log σ(βΔ), max(0, 1 − βΔ), or (Δ − 1/(2β))², Δ then of log-probabilities per token."),
  beta: z.number().positive().default(0.1).describe("β: how strongly the policy is held to the reference."),
  labelSmoothing: z.number().min(0).lt(0.5).default(0).describe("Share of pairs whose labels are taken to be wrong (cDPO); of the loss `sigmoid`."),
  epochs: z.number().positive().max(10_000).default(1),
  maxSteps: stepCount.optional().describe("Ends earlier than the epochs would."),
  batch: rowCount.default(32).describe("Pairs a step."),
  ...rowLimits,
  ...optimizerParameters,
  learningRate: optimizerParameters.learningRate.default(1e-4),
  schedule: optimizerParameters.schedule.default("cosine"),
  ...loraParameters,
  guards: guardsSchema("dpo", changeable),
  ...operationalParameters,
}).describe("Direct preference optimisation: the policy learns from pairs what a reward model would, without one (Rafailov et al., arXiv 2305.18290).");
