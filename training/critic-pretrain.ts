import { z } from "zod";
import { Tokenizer } from "../models/tokenizer.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { tricksThatAreOn } from "../schemas/tricks.js";
import { criticHead, headOrigin } from "./critic-head.js";
import { explainedVariance, mean } from "./experience.js";
import { overMinibatches, updateMetrics } from "./minibatches.js";
import { loadForTraining, loadFrozen, optimizerAt, readCheckpointState, requireInput, saveCheckpoint, saveModel } from "./models.js";
import { Objective } from "./objective.js";
import { encodePrompts } from "./prompts.js";
import { rolloutMetrics } from "./rollout-metrics.js";
import { createReward } from "./rewards/create.js";
import { rewardStateSchema } from "./rewards/reward.js";
import { drawAnswers, sampleRollouts } from "./rollouts.js";
import type { Trainer, TrainerSetup } from "./trainer.js";

const models = { policy: "policy", critic: "critic" } as const;
const stateSchema = z.strictObject({ tricks: z.record(z.string(), z.json()), explained: z.number(), reward: rewardStateSchema.optional() });

/**
 * Critic pretraining: the policy stays frozen, answers are sampled from it, and the critic regresses their returns, until
 * the value loss is near its floor and before the first policy update. The policy is its own reference, so the KL
 * penalty is zero and rewards are the shaped scores. Source: P §5.4.
 */
export async function createCriticPretrain(setup: TrainerSetup<StageParameters<"critic-pretrain">>): Promise<Trainer> {
  const { backend, parameters, seed } = setup;
  const policy = requireInput(setup, "policy");
  const init = requireInput(setup, "init");
  const tokenizer = await Tokenizer.load(policy.directory);

  await loadForTraining(setup, { model: models.critic, head: "value", newHead: criticHead(init), from: init });
  const information = await loadFrozen(setup, { model: models.policy, head: "language", from: policy });

  setup.phase("encoding prompts");
  const prompts = await encodePrompts(setup, tokenizer, information.context);
  const state = setup.resume && await readCheckpointState(setup.resume.directory, stateSchema);
  const settings = { ...parameters, seed, endTokens: tokenizer.endTokens, missingEndPenalty: 0 };
  const reward = await createReward(setup, {
    prompts, tokenizer, before: state?.reward,
    draw: async (round) => (await drawAnswers(backend, models.policy, prompts, settings, "reference answers", round)).batch,
  });
  const objective = new Objective(tricksThatAreOn(parameters.tricks ?? {}), parameters.temperature);
  let explained = state?.explained ?? 0;
  if (state) objective.restore(state.tricks);

  return {
    steps: parameters.steps,
    headline: ["loss/value", "val/explained_variance", "objective/scores"],

    async step(index) {
      const rollouts = await sampleRollouts(backend, models, reward.score, prompts, settings, index);
      const prepared = objective.prepare(rollouts);
      explained = explainedVariance(prepared.values, prepared.returns);
      const optimizer = objective.optimizer(optimizerAt(parameters, index, parameters.steps));
      const updates = await overMinibatches(rollouts.answers.length, { ...parameters, seed }, index, async (rows) =>
        updateMetrics("value", await backend.step(models.critic, { parts: [objective.valuePart(prepared, rows)], optimizer })));
      return {
        ...rolloutMetrics(rollouts),
        "objective/reward": mean(prepared.shapedScores),
        "val/explained_variance": explained,
        ...objective.metrics(),
        ...updates,
        learning_rate: optimizer.learningRate,
      };
    },

    async checkpoint(directory) {
      await saveCheckpoint(backend, directory, [models.critic], { tricks: objective.state(), explained, reward: reward.state() });
    },

    async finish(directory) {
      const saved = await saveModel(setup, { model: models.critic, from: init }, directory, tokenizer);
      return { ...saved, valueHead: headOrigin(init), figures: { "val/explained_variance": explained }, data: prompts.counts };
    },
  };
}
