import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";

/** Files of a report artifact. */
export const REPORT_FILE = "report.json";
export const ANSWERS_FILE = "answers.jsonl";
/** File of a reward model's artifact: raw score differences on held-out pairs. */
export const HELD_OUT_SCORES_FILE = "held-out-scores.json";

const message = z.strictObject({ role: z.enum(["system", "user", "assistant"]), content: z.string() });
const tags = z.record(z.string(), z.string());

/** An answer with what is known of it. Log-probabilities are sums over its tokens, at the sampling temperature. */
export const answerSchema = z.strictObject({
  text: z.string(),
  /** Its end token included. */
  tokens: z.number().int(),
  /** Whether it ended with an end token. */
  finished: z.boolean(),
  /** Under the model that sampled it. */
  logProbability: z.number().optional(),
  /** Under the baseline; of the candidate's answers. */
  baselineLogProbability: z.number().optional(),
  gold: z.number().optional(),
  /** The reward model's normalised score. */
  proxy: z.number().optional(),
  /** The held-out reward model's. */
  heldOutProxy: z.number().optional(),
});

/** What a judge that is asked in words said is better; `unread`: no reply could be understood. */
const sayings = z.enum(["candidate", "baseline", "tie", "unread"]);
export type Saying = z.output<typeof sayings>;

export const outcomes = z.enum(["win", "tie", "lose"]);
export type Outcome = z.output<typeof outcomes>;

/** A line of answers.jsonl. */
export const answeredPromptSchema = z.strictObject({
  prompt: z.array(message),
  tags,
  candidate: answerSchema,
  baseline: z.array(answerSchema).min(1),
  /** Of each judge, where the stage names them: the candidate's outcome against each of the baseline's answers. */
  verdicts: z.record(z.string(), z.array(outcomes)).optional(),
  /** Of each judge that was asked twice about each comparison: what it said with the candidate's answer first, and second. */
  asked: z.record(z.string(), z.array(z.tuple([sayings, sayings]))).optional(),
});

const sideSchema = z.strictObject({
  gold: z.number().optional(),
  proxy: z.number().optional(),
  /** Mean tokens an answer, its end token included. */
  length: z.number(),
  /** exp(mean negative log-likelihood a response token) under the model itself. */
  perplexity: z.number().optional(),
  /** Share of answers without an end token. */
  unfinished: z.number(),
});

/** A figure with its 95 % interval. */
export const intervalSchema = z.strictObject({ value: z.number(), low: z.number(), high: z.number() });

const groupSchema = z.strictObject({
  prompts: z.number().int(),
  win: intervalSchema,
  tie: z.number(),
  lose: z.number(),
  /** Win rate − lose rate. */
  net: intervalSchema,
  candidate: sideSchema,
  baseline: sideSchema,
  /** Nats of log π − log π_baseline over the candidate's answers, the mean of sums and the mean over tokens. */
  kl: z.number().optional(),
  klPerToken: z.number().optional(),
});

/** Verdicts on the prompts that have these tags; on all where there are none. */
const verdictGroupSchema = z.strictObject({
  tags, prompts: z.number().int(), win: intervalSchema, tie: intervalSchema, lose: intervalSchema,
  /** Win rate − lose rate. */
  net: intervalSchema,
});

/** What several judges say of the same comparisons. */
const judgesSchema = z.strictObject({
  /** How the intervals were made, in words. */
  intervals: z.string(),
  tables: z.array(z.strictObject({
    judge: z.string(), groups: z.array(verdictGroupSchema),
    /** Of a judge that was asked twice about each comparison: how often it said the same of both orders, and replies that could not be read. */
    orders: z.strictObject({ same: intervalSchema, unread: z.number().int(), questions: z.number().int() }).optional(),
  })),
  agreement: z.array(z.strictObject({
    judges: z.tuple([z.string(), z.string()]),
    comparisons: z.number().int(),
    /** Share of comparisons on which both say the same. */
    raw: intervalSchema,
    /** Cohen's kappa; absent where chance alone would make them agree on everything. */
    kappa: intervalSchema.optional(),
  })),
});

/** Replies of a reward's judge, and those of them that held no number of its scale. */
export const repliesSchema = z.strictObject({ heard: z.number().int(), unreadable: z.number().int() });

/** report.json of an evaluation. */
export const reportSchema = z.strictObject({
  version: z.literal(1),
  judge: z.string(),
  tieMargin: z.number(),
  baselineIs: z.enum(["model", "answers", "chat"]),
  sampling: z.strictObject({
    temperature: z.number(), topP: z.number(), topK: z.number(), repetitionPenalty: z.number(),
    maxNewTokens: z.number(), baselineSamples: z.number(), seed: z.number(),
  }),
  /** How the intervals were made, in words. */
  intervals: z.string(),
  overall: groupSchema,
  groups: z.array(groupSchema.extend({ tag: z.string(), value: z.string() })),
  judges: judgesSchema.optional(),
  /** Where the reward is a judge that is asked for a number. */
  rewardReplies: repliesSchema.optional(),
  rewardModel: z.strictObject({
    pairs: z.number().int(),
    accuracy: intervalSchema,
    /** Raw score of the preferred answer minus that of the dispreferred, a held-out pair each. */
    differences: z.array(z.number()),
  }).optional(),
  samples: z.array(answeredPromptSchema.extend({ outcome: outcomes })),
});

export type Answer = z.output<typeof answerSchema>;
export type AnsweredPrompt = z.output<typeof answeredPromptSchema>;
export type Report = z.output<typeof reportSchema>;
export type ReportGroup = z.output<typeof groupSchema>;
export type ReportSide = z.output<typeof sideSchema>;
export type VerdictGroup = z.output<typeof verdictGroupSchema>;
export type Judges = z.output<typeof judgesSchema>;
export type Replies = z.output<typeof repliesSchema>;
export type Interval = z.output<typeof intervalSchema>;

/** A line of metrics.jsonl: figures after that many steps. */
export const metricsLineSchema = z.object({ step: z.number().int() }).catchall(z.number());
export type MetricsLine = z.output<typeof metricsLineSchema>;

/** The lines of a metrics.jsonl, whose `place` messages name. Errors: TL_STORE_CORRUPT naming the line that is none. */
export function parseMetrics(text: string, place: string): MetricsLine[] {
  return text.split("\n").flatMap((line, index) => {
    if (line === "") return [];
    try {
      return [metricsLineSchema.parse(JSON.parse(line))];
    } catch (error) {
      throw new TruelineError("TL_STORE_CORRUPT", `${place}:${index + 1} is no line of metrics.`, { cause: error });
    }
  });
}
