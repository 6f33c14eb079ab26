import { z } from "zod";
import type { OptimizerSettings } from "../backends/backend.js";
import { Tokenizer } from "../models/tokenizer.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { tricksThatAreOn } from "../schemas/tricks.js";
import { criticHead, headOrigin } from "./critic-head.js";
import { explainedVariance, mean } from "./experience.js";
import { loadForTraining, optimizerAt, readCheckpointState, requireInput, saveCheckpoint, saveModel } from "./models.js";
import { overMinibatches, updateMetrics } from "./minibatches.js";
import { Objective } from "./objective.js";
import { encodePrompts } from "./prompts.js";
import { pretrainingRows } from "./pretraining-rows.js";
import { loadReference } from "./reference.js";
import { klPerAnswer, rolloutMetrics } from "./rollout-metrics.js";
import { createReward } from "./rewards/create.js";
import { rewardStateSchema } from "./rewards/reward.js";
import { drawAnswers, sampleRollouts } from "./rollouts.js";
import type { Metrics, Trainer, TrainerSetup } from "./trainer.js";
import { unseenScores } from "./unseen-scores.js";

const models = { policy: "policy", critic: "critic" } as const;
const stateSchema = z.strictObject({
  tricks: z.record(z.string(), z.json()), figures: z.record(z.string(), z.number()), reward: rewardStateSchema.optional(),
});

/** Metrics of the last iteration that describe the policy it leaves. */
const figureNames = ["objective/scores", "objective/gold", "objective/held_out_scores", "objective/kl", "response/length", "response/perplexity"];

/**
 * PPO for language models, and what shares its loop. A step is an iteration: sample answers, score them, turn scores into
 * per-token rewards and advantages as the tricks say, then update policy and critic for some epochs of minibatches. Source: P §3,
 * figure 5. Where answers to the same prompt are each other's baseline there is no critic. A checkpoint holds policy and critic
 * with their Adam moments, and the running state of tricks and reward; all else follows from seed and step.
 */
export async function createPpo(setup: TrainerSetup<StageParameters<"ppo">>): Promise<Trainer> {
  const { backend, parameters, seed } = setup;
  const policy = requireInput(setup, "policy");
  const tricks = tricksThatAreOn(parameters.tricks);
  const critic = tricks.groupBaseline === undefined ? requireInput(setup, "critic") : undefined;
  const tokenizer = await Tokenizer.load(policy.directory);

  const information = await loadForTraining(setup, { model: models.policy, head: "language", from: policy });
  if (critic !== undefined) await loadForTraining(setup, { model: models.critic, head: "value", newHead: criticHead(critic), from: critic });
  const reference = await loadReference(setup, { model: models.policy, from: policy });

  setup.phase("encoding prompts");
  const prompts = await encodePrompts(setup, tokenizer, information.context, tricks.groupBaseline?.samples);
  const state = setup.resume && await readCheckpointState(setup.resume.directory, stateSchema);
  const objective = new Objective(tricks, parameters.temperature, tricks.pretrainingLoss
    && await pretrainingRows(setup, tokenizer, tricks.pretrainingLoss));
  const settings = { ...parameters, seed, endTokens: tokenizer.endTokens, readsFeatures: objective.readsFeatures };
  const reward = await createReward(setup, {
    prompts, tokenizer, before: state?.reward,
    draw: async (round) => (await drawAnswers(backend, models.policy, prompts, settings, "reference answers", round)).batch,
  });
  let figures: Metrics = state?.figures ?? {};
  if (state) objective.restore(state.tricks);

  const judge = await unseenScores(setup, prompts, tokenizer);
  const optimizer = (learningRate: number, step: number): OptimizerSettings =>
    objective.optimizer(optimizerAt({ ...parameters, learningRate, maxGradientNorm: undefined }, step, parameters.steps));

  return {
    steps: parameters.steps,
    headline: [
      "objective/scores", ...(parameters.gold === undefined ? [] : ["objective/gold"]), "objective/kl", "response/length", "loss/policy",
      ...(critic === undefined ? [] : ["loss/value"]),
    ],

    async step(index) {
      const rollouts = await sampleRollouts(backend, { ...models, reference, critic: critic && models.critic }, reward.score, prompts, settings, index);
      const prepared = objective.prepare(rollouts);
      const policyOptimizer = optimizer(parameters.policyLearningRate, index);
      const criticOptimizer = optimizer(parameters.criticLearningRate, index);
      const updates = await overMinibatches(rollouts.answers.length, { ...parameters, seed }, index, async (rows, update) => ({
        ...updateMetrics("policy", await backend.step(models.policy, {
          parts: objective.policyParts(prepared, rows, update), optimizer: policyOptimizer,
        })),
        ...(critic && updateMetrics("value", await backend.step(models.critic, {
          parts: [objective.valuePart(prepared, rows)], optimizer: criticOptimizer,
        }))),
      }));
      const shaping = objective.metrics();
      objective.afterIteration(klPerAnswer(rollouts), rollouts.answers.length);
      const seen: Metrics = { ...rolloutMetrics(rollouts), ...await judge(rollouts) };
      figures = Object.fromEntries(figureNames.flatMap((name) => (seen[name] === undefined ? [] : [[name, seen[name]]])));
      return {
        ...seen,
        "objective/reward": mean(prepared.shapedScores),
        ...(critic && { "val/explained_variance": explainedVariance(prepared.values, prepared.returns) }),
        ...shaping,
        ...updates,
        learning_rate: policyOptimizer.learningRate,
      };
    },

    async checkpoint(directory) {
      const trained = critic === undefined ? [models.policy] : [models.policy, models.critic];
      await saveCheckpoint(backend, directory, trained, { tricks: objective.state(), figures, reward: reward.state() });
    },

    async finish(directory) {
      const saved = await saveModel(setup, { model: models.policy, from: policy }, directory, tokenizer);
      return { ...saved, ...(critic && { valueHead: headOrigin(critic) }), figures, data: prompts.counts };
    },
  };
}
