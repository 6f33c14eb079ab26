import { z } from "zod";
import type { ResolvedTricks } from "../../schemas/tricks.js";
import { dpoLoss, type DpoSettings } from "../../training/dpo-loss.js";
import { offsetsOf, type Experience } from "../../training/experience.js";
import { Objective } from "../../training/objective.js";
import { apart, evaluated, type Comparison } from "./trl-agreement.js";

const numbers = z.array(z.number());
const policyFacts = z.object({ loss: z.number(), gradient: numbers, advantages: numbers });
const dpoFacts = z.object({ loss: z.number(), gradient: numbers, chosen: z.number(), rejected: z.number(), accuracies: z.number(), chosenLogps: z.number() });
const seedFacts = z.object({
  lengths: numbers, samples: z.number(),
  settings: z.object({ coefficient: z.number(), range: z.number(), klLoss: z.number(), beta: z.number(), smoothing: z.number() }),
  given: z.object({ scores: numbers, policy: numbers, reference: numbers, now: numbers }),
  rloo: policyFacts, grpo: policyFacts, dpo: z.object({ sigmoid: dpoFacts, hinge: dpoFacts, ipo: dpoFacts }),
});
type SeedFacts = z.output<typeof seedFacts>;

/** What test/peers/trl_algorithms.py prints. */
export const algorithmFacts = z.object({ versions: z.record(z.string(), z.string()), seeds: z.array(seedFacts) });

const targetsOf = ({ lengths }: SeedFacts): Int32Array[] => lengths.map((length) => Int32Array.from({ length }, (_, index) => index + 1));

/** Advantages of the answers, and the policy's loss over all of them. */
function policyUpdate(facts: SeedFacts, tricks: ResolvedTricks) {
  const { given, lengths } = facts;
  const targets = targetsOf(facts);
  const offsets = offsetsOf(targets);
  const experience: Experience = {
    sequences: targets.map(({ length }) => new Int32Array(length + 1)), targets, offsets,
    policyLogProbabilities: Float32Array.from(given.policy), referenceLogProbabilities: Float32Array.from(given.reference),
    values: new Float32Array(given.policy.length), scores: Float64Array.from(given.scores), finished: lengths.map(() => true),
  };
  const objective = new Objective(tricks, 1);
  const prepared = objective.prepare(experience);
  const [part] = objective.policyParts(prepared, Int32Array.from(lengths, (_, row) => row), 0);
  return { advantages: Array.from(lengths, (_, row) => prepared.advantages[offsets[row]!]!), ...evaluated(part!, "logProbabilities", given.now) };
}

/** The presets' tricks, at the numbers of the facts. */
const presets = {
  rloo: ({ settings, samples }: SeedFacts): ResolvedTricks => ({
    klPenalty: { coefficient: settings.coefficient }, clippedSurrogate: { range: settings.range }, sequenceRatio: {},
    groupBaseline: { samples, baseline: "leave-one-out", scale: false },
  }),
  grpo: ({ settings, samples }: SeedFacts): ResolvedTricks => ({
    klLoss: { coefficient: settings.klLoss }, clippedSurrogate: { range: settings.range }, lossAggregation: { mode: "answer-mean" },
    groupBaseline: { samples, baseline: "mean", scale: true },
  }),
} as const;

function dpoStep(facts: SeedFacts, loss: DpoSettings["loss"]) {
  const { given, settings } = facts;
  const rows = targetsOf(facts).map((targets) => ({ tokens: new Int32Array(targets.length + 1), targets }));
  const count = rows.length / 2;
  const pairs = rows.slice(0, count).map((chosen, index) => ({ chosen, rejected: rows[count + index]! }));
  const part = dpoLoss(pairs, Float32Array.from(given.reference), { loss, beta: settings.beta, labelSmoothing: loss === "sigmoid" ? settings.smoothing : 0 });
  return evaluated(part, "logProbabilities", given.now);
}

const tolerance = 1e-6;
const sources = { rloo: "`RLOOTrainer.train`, its lines", grpo: "the paper's formula in PyTorch: TRL 0.11.4 has no GRPO" } as const;

/** Every formula over all the seeds. */
export function compareAlgorithms(all: readonly SeedFacts[]): Comparison[] {
  const largest = (of: (facts: SeedFacts) => number): number => Math.max(...all.map(of));
  const updates = (["rloo", "grpo"] as const).flatMap((name): Comparison[] => {
    const computed = new Map(all.map((facts) => [facts, policyUpdate(facts, presets[name](facts))]));
    const row = { ours: `\`"preset": "${name}"\``, theirs: sources[name], tolerance };
    return [
      { what: `${name}: advantages`, ...row, difference: largest((facts) => apart(computed.get(facts)!.advantages, facts[name].advantages)) },
      { what: `${name}: policy loss`, ...row, difference: largest((facts) => Math.abs(computed.get(facts)!.loss - facts[name].loss)) },
      { what: `${name}: its gradient by log-probability`, ...row, difference: largest((facts) => apart(computed.get(facts)!.gradient, facts[name].gradient)) },
    ];
  });
  const pairs = (["sigmoid", "hinge", "ipo"] as const).flatMap((loss): Comparison[] => {
    const computed = new Map(all.map((facts) => [facts, dpoStep(facts, loss)]));
    const row = { ours: `\`"kind": "dpo"\`, \`"loss": "${loss}"\``, theirs: "`DPOTrainer.dpo_loss`", tolerance };
    const figures = (facts: SeedFacts): number => {
      const { statistics } = computed.get(facts)!;
      const { chosen, rejected, accuracies, chosenLogps } = facts.dpo[loss];
      return apart(["rewards/chosen", "rewards/rejected", "rewards/accuracies", "logps/chosen"].map((name) => statistics[name]!), [chosen, rejected, accuracies, chosenLogps]);
    };
    return [
      { what: `dpo, ${loss}: loss`, ...row, difference: largest((facts) => Math.abs(computed.get(facts)!.loss - facts.dpo[loss].loss)) },
      { what: `dpo, ${loss}: its gradient by log-probability`, ...row, difference: largest((facts) => apart(computed.get(facts)!.gradient, facts.dpo[loss].gradient)) },
      { what: `dpo, ${loss}: rewards, accuracy, log-probabilities`, ...row, difference: largest(figures) },
    ];
  });
  return [...updates, ...pairs];
}
