import { z } from "zod";
import type { Backend, OptimizerSettings, StepResult } from "../backends/backend.js";
import { goldScorer } from "../data/gold.js";
import { permutation, randomAt } from "../foundation/random.js";
import { Tokenizer } from "../models/tokenizer.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { tricksThatAreOn } from "../schemas/tricks.js";
import { criticHead } from "./critic-head.js";
import { explainedVariance, mean } from "./experience.js";
import { loadForTraining, loadFrozen, optimizerAt, readCheckpointState, requireInput, saveCheckpoint, saveModel } from "./models.js";
import { Objective, type PreparedExperience } from "./objective.js";
import { encodePrompts } from "./prompts.js";
import { pretrainingRows } from "./pretraining-rows.js";
import { klPerAnswer, rolloutMetrics } from "./rollout-metrics.js";
import { sampleRollouts, type Rollouts } from "./rollouts.js";
import type { Metrics, Trainer, TrainerSetup } from "./trainer.js";

const models = { policy: "policy", reference: "reference", reward: "reward", critic: "critic" } as const;
const stateSchema = z.strictObject({ tricks: z.record(z.string(), z.json()) });

/**
 * PPO for language models. A step is an iteration: sample answers, score them, turn scores into per-token rewards and
 * advantages as the tricks say, then update policy and critic for some epochs of minibatches. Source: P §3, figure 5.
 * A checkpoint holds policy and critic with their Adam moments, and the tricks' running state; all else follows from
 * seed and step.
 */
export async function createPpo(setup: TrainerSetup<StageParameters<"ppo">>): Promise<Trainer> {
  const { backend, parameters, seed } = setup;
  const policy = requireInput(setup, "policy");
  const reward = requireInput(setup, "reward");
  const critic = requireInput(setup, "critic");
  const tokenizer = await Tokenizer.load(policy.directory);

  const information = await loadForTraining(setup, { model: models.policy, head: "language", from: policy });
  await loadForTraining(setup, { model: models.critic, head: "value", newHead: criticHead(critic), from: critic });
  await loadFrozen(setup, { model: models.reference, head: "language", from: setup.artifacts["reference"] ?? policy });
  await loadFrozen(setup, { model: models.reward, head: "score", from: reward });

  setup.phase("encoding prompts");
  const prompts = encodePrompts(setup, tokenizer, information.context);
  const tricks = tricksThatAreOn(parameters.tricks);
  const objective = new Objective(tricks, parameters.temperature, tricks.pretrainingLoss
    && pretrainingRows(setup, tokenizer, tricks.pretrainingLoss));
  if (setup.resume) objective.restore((await readCheckpointState(setup.resume.directory, stateSchema)).tricks);

  const gold = parameters.gold === undefined ? undefined : goldScorer(parameters.gold);
  const goldMetrics = (rollouts: Rollouts): Metrics => (gold === undefined ? {} : {
    "objective/gold": mean(rollouts.answers.map((answer, row) => gold(
      prompts.rows[rollouts.prompts[row]!]!.messages, tokenizer.decode(answer, { skipSpecial: true }), rollouts.finished[row]!,
    ))),
  });

  const settings = {
    ...parameters, seed, endTokens: tokenizer.endTokens,
    normalization: reward.metadata.scoreNormalization ?? { mean: 0, std: 1 },
  };
  const optimizer = (learningRate: number, step: number): OptimizerSettings =>
    objective.optimizer(optimizerAt({ ...parameters, learningRate, maxGradientNorm: undefined }, step, parameters.steps));

  return {
    steps: parameters.steps,
    headline: ["objective/scores", ...(gold ? ["objective/gold"] : []), "objective/kl", "response/length", "loss/policy", "loss/value"],

    async step(index) {
      const rollouts = await sampleRollouts(backend, models, prompts.encoded, settings, index);
      const prepared = objective.prepare(rollouts);
      const updates = await updateModels(backend, objective, prepared, { ...parameters, seed }, index, {
        policy: optimizer(parameters.policyLearningRate, index),
        critic: optimizer(parameters.criticLearningRate, index),
      });
      const shaping = objective.metrics();
      objective.afterIteration(klPerAnswer(rollouts), rollouts.answers.length);
      return {
        ...rolloutMetrics(rollouts),
        ...goldMetrics(rollouts),
        "objective/reward": mean(prepared.shapedScores),
        "val/explained_variance": explainedVariance(prepared.values, prepared.returns),
        ...shaping,
        ...updates,
      };
    },

    async checkpoint(directory) {
      await saveCheckpoint(backend, directory, [models.policy, models.critic], { tricks: objective.state() });
    },

    async finish(directory) {
      await saveModel(backend, models.policy, directory, tokenizer);
      return { figures: {}, data: prompts.counts };
    },
  };
}

interface UpdateSettings {
  readonly seed: number;
  readonly epochs: number;
  readonly minibatch: number;
}

/**
 * The updates of an iteration: every epoch goes through the answers in a fresh random order, and each minibatch moves
 * policy and critic once. Returns the means of losses and statistics over the updates.
 */
async function updateModels(
  backend: Backend, objective: Objective, prepared: PreparedExperience, { seed, epochs, minibatch }: UpdateSettings,
  iteration: number, optimizers: { readonly policy: OptimizerSettings; readonly critic: OptimizerSettings },
): Promise<Metrics> {
  const rows = prepared.sequences.length;
  const updatesAnEpoch = Math.ceil(rows / minibatch);
  const seen: Metrics[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = permutation(randomAt(seed, "minibatches", iteration, epoch), rows);
    for (let part = 0; part < updatesAnEpoch; part++) {
      const chosen = order.subarray(part * minibatch, (part + 1) * minibatch);
      const update = (iteration * epochs + epoch) * updatesAnEpoch + part;
      const policy = await backend.step(models.policy, {
        parts: objective.policyParts(prepared, chosen, update), optimizer: optimizers.policy,
      });
      const critic = await backend.step(models.critic, {
        parts: [objective.valuePart(prepared, chosen)], optimizer: optimizers.critic,
      });
      seen.push({ ...updateMetrics("policy", policy), ...updateMetrics("value", critic) });
    }
  }
  return { ...meanOf(seen), learning_rate: optimizers.policy.learningRate };
}

function updateMetrics(loss: "policy" | "value", result: StepResult): Metrics {
  return {
    [`loss/${loss}`]: result.losses[0]!,
    [`${loss}/gradient_norm`]: result.gradientNorm,
    ...Object.assign({}, ...result.statistics),
  };
}

function meanOf(metrics: readonly Metrics[]): Metrics {
  const names = Object.keys(metrics[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, mean(metrics.map((entry) => entry[name]!))]));
}
