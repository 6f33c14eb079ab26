import type { EndpointSurroundings } from "../../foundation/http/json-endpoint.js";
import type { Tokenizer } from "../../models/tokenizer.js";
import type { RewardSpec } from "../../schemas/reward.js";
import { loadFrozen, requireInput } from "../models.js";
import type { StagePrompts } from "../prompts.js";
import type { TrainerSetup } from "../trainer.js";
import { endpointScorer } from "./endpoint.js";
import { startModule } from "./module.js";
import { Received } from "./received.js";
import { modelScores } from "./reward-model.js";
import type { Reward, RewardState, SampledBatch, ScoreBatch, TextScorer, WrittenAnswer } from "./reward.js";

type Setup = TrainerSetup<{ readonly reward: RewardSpec }>;

/** What a reward needs of its stage. */
export interface RewardPlace {
  readonly prompts: Pick<StagePrompts, "rows">;
  readonly tokenizer: Tokenizer;
  /** Of the checkpoint that the stage continues from. */
  readonly before?: RewardState;
}

/** The reward that a stage names: a reward model, loaded and normalised as its artifact says, or something that reads text. */
export async function createReward(setup: Setup, place: RewardPlace): Promise<Reward> {
  const { parameters: { reward } } = setup;
  if (typeof reward === "string") return { score: await namedModel(setup, "reward"), state: () => undefined };
  const received = new Received(place.before?.received?.["reward"]);
  const score = await textScorer(setup, reward, "reward", received);
  return {
    score: async (batch) => ({ scores: Float64Array.from(await score(written(batch, place))), metrics: {} }),
    state: () => ("module" in reward ? undefined : { received: { reward: received.state() } }),
  };
}

async function namedModel(setup: Setup, input: string): Promise<ScoreBatch> {
  const from = requireInput(setup, input);
  await loadFrozen(setup, { model: input, head: "score", from });
  return modelScores(setup.backend, input, from.metadata.scoreNormalization ?? { mean: 0, std: 1 });
}

/** Starts what scores text. `input` names it among the stage's inputs. */
async function textScorer(setup: Setup, spec: Exclude<RewardSpec, string>, input: string, received: Received): Promise<TextScorer> {
  if ("module" in spec) return startModule(setup, spec, input);
  return received.over(endpointScorer(spec, surroundings(setup)));
}

function surroundings({ signal }: Setup): EndpointSurroundings {
  return { ...(signal !== undefined && { signal }) };
}

function written({ prompts: drawn, answers, finished }: SampledBatch, { prompts: { rows }, tokenizer }: RewardPlace): WrittenAnswer[] {
  return answers.map((answer, row) => {
    const { messages, tags } = rows.at(drawn[row]!)!;
    return { prompt: messages, answer: tokenizer.decode(answer, { skipSpecial: true }), finished: finished[row]!, tokens: answer.length, tags };
  });
}
