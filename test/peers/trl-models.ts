import { join } from "node:path";
import { z } from "zod";
import type { Backend, Head, StepPart } from "../../backends/backend.js";
import { randomAt } from "../../foundation/random.js";
import { offsetsOf } from "../../training/experience.js";
import { languageLoss } from "../../training/language-loss.js";
import { Objective } from "../../training/objective.js";
import { pairLoss } from "../../training/pairs.js";
import { trlFacts, type Comparison } from "../training/trl-agreement.js";

const numbers = z.array(z.number());
const differentiated = z.object({ loss: z.number(), gradientNorm: z.number() });
const modelFacts = z.object({
  directory: z.string(), sft: differentiated, reward: differentiated, policy: differentiated, value: differentiated, entropy: z.number(),
  given: z.object({ old: numbers, oldValues: numbers, advantages: numbers, returns: numbers }),
});

/** What test/peers/trl_oracles.py prints when it makes models too. */
export const oracleFacts = trlFacts.extend({ rows: z.array(numbers), starts: numbers, models: z.array(modelFacts) });
type OracleFacts = z.output<typeof oracleFacts>;

const losses = {
  sft: { what: "SFT loss", ours: "`sft`", theirs: "`LlamaForCausalLM` with `labels`, as `SFTTrainer` calls it" },
  reward: { what: "reward model's loss", ours: "`reward-model`, `lmCoefficient` 0", theirs: "`RewardTrainer.compute_loss`" },
  policy: { what: "policy loss of a model", ours: "`ppo`", theirs: "`PPOTrainer.loss`" },
  value: { what: "value loss of a model", ours: "`ppo`", theirs: "`PPOTrainer.loss`" },
} as const;
type Loss = keyof typeof losses;

/** A backend's losses over small random models and their gradients beside TRL's and transformers', and its first ratio. */
export async function compareModels(name: string, backend: Backend, { rows, starts, models }: OracleFacts): Promise<Comparison[]> {
  const sequences = rows.map((row) => Int32Array.from(row));
  const targets = sequences.map(({ length }, row) => Int32Array.from({ length: length - starts[row]! }, (_, index) => starts[row]! + index));
  const encoded = sequences.map((tokens, row) => ({ tokens, targets: targets[row]! }));
  const [chosen, rejected] = [encoded.slice(0, 2), encoded.slice(2)];
  const objective = new Objective({ clippedSurrogate: { range: 0.2 }, valueClipping: { range: 0.2 } }, 1);

  const found: Record<Loss, { loss: number; gradient: number }> = {
    sft: { loss: 0, gradient: 0 }, reward: { loss: 0, gradient: 0 }, policy: { loss: 0, gradient: 0 }, value: { loss: 0, gradient: 0 },
  };
  let [entropy, ratio] = [0, 0];
  for (const facts of models) {
    const { given } = facts;
    const old = Float32Array.from(given.old);
    const prepared = {
      sequences, targets, offsets: offsetsOf(targets), policyLogProbabilities: old, oldLogProbabilities: old, referenceLogProbabilities: old,
      values: Float32Array.from(given.oldValues), advantages: Float64Array.from(given.advantages), returns: Float64Array.from(given.returns),
      rewards: new Float64Array(old.length), scores: new Float64Array(rows.length), shapedScores: new Float64Array(rows.length), finished: rows.map(() => true),
    };
    const everyRow = Int32Array.from(rows, (_, row) => row);
    const parts: Readonly<Record<Loss, readonly [Head, StepPart]>> = {
      sft: ["language", languageLoss(encoded)],
      reward: ["score", pairLoss(chosen.map((row, index) => ({ chosen: row, rejected: rejected[index]! })), 0)],
      policy: ["language", objective.policyParts(prepared, everyRow, 0)[0]!],
      value: ["value", objective.valuePart(prepared, everyRow)],
    };
    for (const [loss, [head, part]] of Object.entries(parts) as [Loss, (typeof parts)[Loss]][]) {
      await backend.load({ model: "peer", directory: join(facts.directory, head), head, trainable: true });
      const result = await backend.step("peer", { parts: [part] });
      found[loss].loss = Math.max(found[loss].loss, Math.abs(result.losses[0]! - facts[loss].loss));
      found[loss].gradient = Math.max(found[loss].gradient, Math.abs(result.gradientNorm / facts[loss].gradientNorm - 1));
      if (loss === "policy") entropy = Math.max(entropy, Math.abs(result.statistics[0]!["objective/entropy"]! - facts.entropy));
    }
    ratio = Math.max(ratio, await firstRatio(backend, facts.directory, sequences));
  }
  return [
    ...Object.entries(losses).flatMap(([loss, { what, ours, theirs }]) => [
      { what: `${what}, ${name} backend`, ours, theirs, difference: found[loss as Loss].loss, tolerance: 2e-5 },
      { what: `norm of its gradient, ${name} backend`, ours, theirs: "autograd of it", difference: found[loss as Loss].gradient, tolerance: 2e-5, note: "relative" },
    ]),
    { what: `mean entropy, ${name} backend`, ours: "`objective/entropy`", theirs: "`entropy_from_logits`", difference: entropy, tolerance: 2e-5 },
    { what: `ratio of sampled tokens before the first update, ${name} backend`, ours: "`ppo`", theirs: "1", difference: ratio, tolerance: 1e-5, note: "largest of all tokens" },
  ];
}

/** Largest |ratio − 1| between what sampling said of its tokens and what a pass with all of them at once says. */
async function firstRatio(backend: Backend, directory: string, prompts: readonly Int32Array[]): Promise<number> {
  const [temperature, maxNewTokens] = [0.8, 12];
  const random = randomAt(5, "oracles");
  await backend.load({ model: "peer", directory: join(directory, "language"), head: "language", trainable: true });
  const { tokens, logProbabilities } = await backend.generate("peer", {
    prompts, maxNewTokens, temperature, endTokens: [2], uniforms: Float32Array.from({ length: prompts.length * maxNewTokens }, () => random.uniform()),
  });
  const sequences = prompts.map((prompt, row) => Int32Array.of(...prompt, ...tokens[row]!));
  const targets = prompts.map(({ length }, row) => Int32Array.from(tokens[row]!, (_, index) => length + index));
  const again = (await backend.forward("peer", { batch: { sequences, targets }, quantities: ["logProbabilities"], temperature })).logProbabilities!;
  return Math.max(...logProbabilities.flatMap((row) => [...row]).map((value, token) => Math.abs(Math.exp(again[token]! - value) - 1)));
}
