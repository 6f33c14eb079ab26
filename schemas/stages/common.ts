import { z } from "zod";
import { machineCount, stepCount, tokenCount } from "../counts.js";
import { durationPattern } from "../../foundation/durations.js";
import { memorySchema } from "../task-queue.js";
import { textLike } from "../text.js";

/** A length of time in words for people. */
export const durationSchema = textLike(durationPattern, "a number with s, m, h or d, such as \"6h\"");

/** The name of a data entry, model or stage; the planner resolves it and checks its type. */
export const reference = (what: string) => z.string().min(1).describe(`Name of ${what}.`);

/** The names of data entries: one, several, or a mixture by weights. */
export const dataReferences = (what: string) => z.union([
  reference(what),
  z.array(z.union([reference(what), z.strictObject({ from: reference(what), weight: z.number().positive().default(1).describe("Its part of the rows drawn, over the sum of all weights.") })]).describe(`Name of ${what}, or {"from": its name, "weight": …}.`)).min(1),
]);

/** How several data entries are used, for descriptions. */
export const mixtureWords = "Several in a list are read one after another; with weights, such as {\"from\": \"helpful\", \"weight\": 2}, rows are drawn by them.";

export const optimizerParameters = {
  learningRate: z.number().positive(),
  schedule: z.enum(["constant", "linear", "cosine", "inverse-square-root"]),
  warmup: z.number().min(0).max(1).default(0.1).describe("Share of the steps over which the learning rate rises from 0."),
  floor: z.number().min(0).max(1).default(0.1).describe("Share of the peak at which cosine and linear schedules end."),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.95),
  epsilon: z.number().positive().default(1e-8),
  weightDecay: z.number().min(0).default(0),
  maxGradientNorm: z.number().positive().default(1).describe("Global gradient norm that is clipped to."),
} as const;

/** Parameters that say how a stage runs, not what it computes: they are no part of its key. */
export const operationalParameters = {
  checkpoint: z.strictObject({
    everySteps: stepCount.optional(),
    everySeconds: z.number().positive().default(60),
  }).prefault({}).describe("When state is saved on the way. Does not change results or keys."),
  resources: z.strictObject({
    cpus: machineCount.optional()
      .describe("Threads it computes with; default: one a processor. Sums are split among them, so that another number of threads gives other last digits."),
    gpus: z.number().int().min(0).max(10_000).default(0),
    memory: memorySchema.optional().describe("Memory that each of its GPUs has to have, such as \"80GB\"."),
    executionProviders: z.array(z.enum(["cpu", "cuda"])).min(1).optional()
      .describe("ONNX Runtime providers for scoring and generation, in order of preference."),
    backend: z.enum(["onnx", "torch"]).optional()
      .describe("What computes: ONNX Runtime in this program (default), or PyTorch. Both give the same numbers but for rounding."),
    processes: machineCount.optional()
      .describe("Processes of the torch backend, among which rows are shared and weights sharded; default: one a GPU, without GPUs one."),
    pieceTokens: tokenCount.optional()
      .describe("Padded tokens that a process of the torch backend computes at once; default: so that their logits fill at most 1 GiB."),
    activationCheckpointing: z.boolean().optional().describe("The torch backend computes layers a second time for their gradient instead of keeping what they need."),
    vllmMemory: z.number().gt(0).lt(1).optional().describe("Share of each GPU's memory that vLLM takes while it samples, where `generation` says so; default 0.3."),
    offload: z.boolean().optional().describe("The torch backend keeps weights, gradients and moments in the host's memory between uses."),
  }).prefault({}).describe("What the stage needs of a worker. Does not change keys."),
  deadline: durationSchema.optional()
    .describe("The stage saves a checkpoint and fails when this long has passed since it could start, such as \"6h\"; time in the queue counts. Does not change keys."),
} as const;

export const loraParameters = {
  lora: z.strictObject({
    rank: z.number().int().positive().max(100_000).default(8).describe("Width of the adapter's matrices."),
    alpha: z.number().positive().default(16).describe("The adapter's product is multiplied by alpha / rank."),
    targets: z.union([z.literal("all-linear"), z.array(z.string().min(1)).min(1)]).default("all-linear")
      .describe("Layers that get an adapter, such as [\"q_proj\", \"v_proj\"]; \"all-linear\": all in the decoder."),
    dropout: z.literal(0).optional().describe("Adapters are trained without dropout: 0, or left out."),
  }).optional()
    .describe("Trains a low-rank adapter, and the score or value head with it, in place of the weights; the stage leaves the adapter, in PEFT's files."),
} as const;

export const rowLimits = {
  maxTokens: tokenCount.optional().describe("Rows longer than this, room for an answer to be sampled included, are too long; default: the model's context."),
  tooLong: z.enum(["drop", "cut"]).default("drop").describe("Drop rows that are too long, or cut whole turns from their start."),
  maxTooLongShare: z.number().min(0).max(1).default(0.2).describe("More too-long rows than this share is an error."),
} as const;

/** Decoding as in P §4.3, without its length penalty of 1.2, which ranks the beams of a beam search and has no part in sampling. */
export const paperDecoding = { temperature: 0.8, topP: 0.9, repetitionPenalty: 1.1 } as const;
export const paperDecodingWords = `As in P §4.3: temperature ${paperDecoding.temperature}, topP ${paperDecoding.topP}, repetitionPenalty ${paperDecoding.repetitionPenalty}, where the stage does not give them. Its length penalty belongs to beam search, and there is none.`;

export const sampling = {
  temperature: z.number().min(0).default(0.8),
  topP: z.number().gt(0).max(1).default(1),
  topK: z.number().int().min(0).max(10_000_000).default(0),
  repetitionPenalty: z.number().positive().default(1),
} as const;
