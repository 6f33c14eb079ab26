import { z } from "zod";
import { rowCount, tokenCount } from "../counts.js";
import { chatAddress, endpointFields } from "../endpoint.js";
import { nameSchema } from "../name.js";
import { operationalParameters, paperDecodingWords, reference, rowLimits, sampling } from "./common.js";
import { singleReward } from "../reward.js";
import { goldScorers } from "./ppo.js";

/** Judges that go by a score of each answer, and the fields that name what gives it. */
export const scoreJudges = { gold: "gold", "reward-model": "reward", "held-out-reward-model": "heldOutReward" } as const;
export const scoreJudgeNames = z.enum(["gold", "reward-model", "held-out-reward-model"]);

/** A language model behind an HTTP API. */
const chatFields = {
  ...endpointFields, url: chatAddress,
  model: z.string().min(1).describe("What the server calls the model."),
  version: z.string().optional().describe("Raised by hand when what answers there has changed: of the server only address, model and this are part of the key."),
} as const;

const chatJudge = z.strictObject({
  name: nameSchema.describe("What reports call it: letters, digits and dashes, a letter first."),
  chat: z.strictObject({
    ...chatFields,
    rubric: z.string().min(1).optional().describe("What it is told to look at; default: helpfulness, or harmlessness where a tag of the prompt is `harmful` or `harmless`, or both where none says."),
    temperature: z.number().min(0).default(0),
    maxTokens: tokenCount.default(256).describe("Tokens that a reply may have."),
    attempts: z.number().int().min(1).max(10).default(3).describe("Replies that are asked for until one holds a verdict; after the last the comparison is a tie, and counted as unread."),
  }).describe("An OpenAI-compatible API; `url` is the whole address, such as https://api.openai.com/v1/chat/completions."),
}).describe("A language model that compares two answers. It is asked twice, the answers changing places: one wins only where it wins both times, else it is a tie.");
export type ChatJudge = z.output<typeof chatJudge>;

export const chatBaseline = z.strictObject({
  chat: z.strictObject(chatFields).describe("An OpenAI-compatible API, which answers with the stage's temperature, topP and maxNewTokens; it has no topK and no repetition penalty."),
});
export type ChatBaseline = z.output<typeof chatBaseline>;

export const evaluateParameters = z.strictObject({
  kind: z.literal("evaluate"),
  description: z.string().optional(),
  seed: z.number().int().min(0).optional(),
  candidate: reference("a language model"),
  baseline: z.union([
    reference("a language model"),
    z.strictObject({ answers: z.string().describe("Path of a jsonl file of {prompt, response} rows.") }),
    chatBaseline,
  ]).describe("Name of a language model; {\"answers\": …}, a file of answers; or {\"chat\": …}, a model behind an HTTP API."),
  reward: singleReward.optional(),
  heldOutReward: reference("a reward model that never trained the candidate: a judge of its own where `judges` names it").optional(),
  judges: z.array(z.union([scoreJudgeNames, chatJudge])).min(1).optional()
    .describe("Who judges, each for itself; the first one's verdict is the headline. The report then has every judge's win, tie and lose rates by tag and by combinations of tags, with intervals, and the agreement between judges."),
  pairs: reference("a data entry with pairs, or of a stage that makes them, whose held-out part gives the reward model's accuracy").optional(),
  prompts: reference("a data entry with prompts, whose held-out part is answered"),
  maxPrompts: rowCount.default(240),
  baselineSamples: z.number().int().positive().max(1000).default(3).describe("Baseline answers each candidate answer is compared with."),
  gold: goldScorers.optional().describe("Judge that training never sees; absent: the reward model judges."),
  tieMargin: z.number().min(0).default(0.05).describe("Score differences within this are ties."),
  maxNewTokens: tokenCount.default(48),
  batch: rowCount.default(64).describe("Prompts a step."),
  samples: z.number().int().min(0).max(100_000).default(20).describe("Answers shown side by side in the report."),
  decoding: z.literal("paper").optional().describe(paperDecodingWords),
  ...sampling,
  ...rowLimits,
  ...operationalParameters,
}).describe("Candidate against baseline on held-out prompts: win, tie, lose with 95 % intervals, and what betrays a collapse.");

/** What the server calls the model that a planned evaluation has as its baseline; undefined where it has another. */
export function chatModelOf({ baseline }: Readonly<Record<string, unknown>>): string | undefined {
  return z.object({ chat: z.object({ model: z.string() }) }).safeParse(baseline).data?.chat.model;
}

/** The name of the first judge of a planned evaluation; undefined where it lists none. */
export function firstJudgeOf({ judges }: Readonly<Record<string, unknown>>): string | undefined {
  const [first] = z.array(z.union([z.string(), z.object({ name: z.string() })])).safeParse(judges).data ?? [];
  return typeof first === "object" ? first.name : first;
}
