import { goldScorer } from "../data/gold.js";
import type { RememberedReplies } from "../foundation/http/remembered-replies.js";
import { Tokenizer } from "../models/tokenizer.js";
import type { Answer, Replies } from "../schemas/report.js";
import type { TextReward } from "../schemas/reward.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { proxyScores, type RewardScorer, type SampledAnswer } from "./answering.js";
import { sameTokenizer } from "./baseline.js";
import { loadFrozen } from "./models.js";
import { textScorer } from "./rewards/create.js";
import { ReplyCount } from "./rewards/replies.js";
import type { InputArtifact, TrainerSetup } from "./trainer.js";

/** A reward model that is loaded. */
export type LoadedScorer = RewardScorer & { readonly context: number; readonly sharesTokenizer: boolean };

/** What gives answers their scores. */
export interface AnswerScores {
  /** The reward model that the stage names in `reward`. */
  readonly reward: LoadedScorer | undefined;
  /** The answers with every score that there is of them. `own`: whether they were written in the candidate's tokens. */
  score(answers: readonly SampledAnswer[], own: boolean): Promise<Answer[]>;
  /** Replies of the reward's judge since the last time; undefined where the reward is none. */
  replies(): Replies | undefined;
}

/** What a stage says of its scores. */
type Scoring = Pick<StageParameters<"evaluate">, "reward" | "gold">;

/** Loads the reward models that a stage names, and scores answers with them and with the gold scorer. Servers are asked nothing that is remembered. */
export async function loadAnswerScores(setup: TrainerSetup<Scoring>, candidate: InputArtifact, remembered: RememberedReplies): Promise<AnswerScores> {
  const { reward: named } = setup.parameters;
  const replies = typeof named === "object" && "judge" in named ? new ReplyCount() : undefined;
  const beyond = named === undefined || typeof named === "string" ? undefined : await beyondModels(setup, named, { remembered, replies });
  const gold = setup.parameters.gold === undefined ? undefined : goldScorer(setup.parameters.gold);
  const reward = await loadScorer(setup, "reward", candidate);
  const heldOut = await loadScorer(setup, "heldOutReward", candidate);
  const scores = async (scorer: LoadedScorer | undefined, answers: readonly SampledAnswer[], own: boolean) =>
    (scorer === undefined ? undefined : proxyScores(setup.backend, scorer, answers, own && scorer.sharesTokenizer));
  return {
    reward,
    replies: () => replies?.take(),
    async score(answers, own) {
      const proxies = await beyond?.(answers) ?? await scores(reward, answers, own);
      const unseen = await scores(heldOut, answers, own);
      return answers.map(({ answer, prompt }, index) => ({
        ...answer,
        ...(gold && { gold: gold(prompt.messages, answer.text, answer.finished) }),
        ...(proxies && { proxy: proxies[index]! }),
        ...(unseen && { heldOutProxy: unseen[index]! }),
      }));
    },
  };
}

/** A reward that is no model: a module, a server, or a model that judges. */
async function beyondModels(
  setup: TrainerSetup<unknown>, spec: TextReward, asking: Parameters<typeof textScorer>[3],
): Promise<(answers: readonly SampledAnswer[]) => Promise<number[]>> {
  const score = await textScorer(setup, spec, "reward", asking);
  const { mean, std } = spec.normalize !== undefined && "mean" in spec.normalize ? spec.normalize : { mean: 0, std: 1 };
  return async (answers) => (await score(answers.map(({ prompt, answer: { text, finished, tokens } }) =>
    ({ prompt: prompt.messages, answer: text, finished, tokens, tags: prompt.tags })))).map((each) => (each - mean) / std);
}

async function loadScorer(setup: TrainerSetup<unknown>, input: "reward" | "heldOutReward", candidate: InputArtifact): Promise<LoadedScorer | undefined> {
  const from = setup.artifacts[input];
  if (from === undefined) return undefined;
  const { context } = await loadFrozen(setup, { model: input, head: "score", from });
  return {
    model: input, context, tokenizer: await Tokenizer.load(from.directory), sharesTokenizer: await sameTokenizer(from, candidate),
    normalization: from.metadata.scoreNormalization ?? { mean: 0, std: 1 },
  };
}
