import { z } from "zod";
import type { StepPart } from "../../backends/backend.js";
import { evaluateSum } from "../../backends/reference/evaluate.js";
import { Matrix, Tape } from "../../backends/reference/tape.js";
import { offsetsOf, type Experience } from "../../training/experience.js";
import { Objective } from "../../training/objective.js";
import { klPerAnswer } from "../../training/rollout-metrics.js";
import { adaptedCoefficient } from "../../training/tricks/kl-penalty.js";

const numbers = z.array(z.number());
const tensorFacts = z.object({
  seed: z.number(), lengths: numbers,
  settings: z.object({ coefficient: z.number(), gamma: z.number(), lambda: z.number(), range: z.number(), valueRange: z.number() }),
  given: z.object({ scores: numbers, policy: numbers, reference: numbers, now: numbers, values: numbers, nowValues: numbers }),
  rewards: numbers, kl: z.number(), returns: numbers, advantages: numbers, whitened: numbers,
  policyLoss: z.number(), policyGradient: numbers, valueLoss: z.number(), valueGradient: numbers,
  approxkl: z.number(), ratio: z.number(), clipfrac: z.number(), valueClipfrac: z.number(),
  moments: z.array(z.object({ mean: z.number(), std: z.number() })), adaptive: z.object({ kl: numbers, coefficients: numbers }),
});
type TensorFacts = z.output<typeof tensorFacts>;

/** What test/peers/trl_oracles.py prints of random tensors. */
export const trlFacts = z.object({ versions: z.record(z.string(), z.string()), tensors: z.array(tensorFacts) });

/** A line of the table of differences. */
export interface Comparison {
  readonly what: string;
  readonly ours: string;
  readonly theirs: string;
  /** Largest |ours − theirs|. */
  readonly difference: number;
  /** Absent: the two count different things, and `note` says which. */
  readonly tolerance?: number;
  readonly note?: string;
}

interface Measure extends Omit<Comparison, "what" | "difference"> {
  readonly of: (facts: TensorFacts, ours: Ours) => number;
}

/** The same tensors in the hands of PPO's objective. */
function ours({ lengths, settings, given, whitened, returns }: TensorFacts) {
  const { coefficient, gamma, lambda, range, valueRange } = settings;
  const targets = lengths.map((length) => Int32Array.from({ length }, (_, index) => index + 1));
  const experience: Experience = {
    sequences: targets.map(({ length }) => new Int32Array(length + 1)), targets, offsets: offsetsOf(targets),
    policyLogProbabilities: Float32Array.from(given.policy), referenceLogProbabilities: Float32Array.from(given.reference),
    values: Float32Array.from(given.values), scores: Float64Array.from(given.scores), finished: lengths.map(() => true),
  };
  const objective = new Objective({
    klPenalty: { coefficient }, gae: { lambda, gamma }, clippedSurrogate: { range }, valueClipping: { range: valueRange },
  }, 1);
  const prepared = objective.prepare(experience);
  const whitening = new Objective({ klPenalty: { coefficient }, gae: { lambda, gamma }, advantageNormalization: {} }, 1).prepare(experience);
  // Losses start from TRL's advantages and returns, so that a difference in those is not seen twice.
  const common = { ...prepared, advantages: Float64Array.from(whitened), returns: Float64Array.from(returns) };
  const rows = Int32Array.from(lengths, (_, row) => row);
  const [policyPart] = objective.policyParts(common, rows, 0);
  return {
    experience, prepared, whitened: whitening.advantages,
    policy: evaluated(policyPart!, "logProbabilities", given.now),
    value: evaluated(objective.valuePart(common, rows), "values", given.nowValues),
  };
}
type Ours = ReturnType<typeof ours>;

/** A part's loss, the loss's gradient by each number of the quantity, and its statistics, in doubles. */
export function evaluated(part: StepPart, quantity: "logProbabilities" | "values", given: readonly number[]) {
  const tape = new Tape(true);
  const column = new Matrix(given.length, 1, Float64Array.from(given));
  const scope = {
    quantities: { entropy: new Matrix(given.length, 1), [quantity]: column },
    arrays: part.arrays, lengths: { tokens: given.length, rows: part.batch.sequences.length },
    targetRows: part.batch.targets.flatMap((targets, row) => Array.from(targets, () => row)),
  };
  const { value, terms } = evaluateSum(tape, part.loss, scope);
  for (const { gradient } of terms) gradient.fill(1);
  tape.differentiate();
  const statistics = Object.fromEntries(Object.entries(part.statistics).map(([name, sum]) => [name, evaluateSum(new Tape(false), sum, scope).value]));
  return { loss: value, gradient: column.gradient, statistics };
}

export const apart = (a: ArrayLike<number>, b: readonly number[]): number =>
  (a.length === b.length ? Math.max(...b.map((value, index) => Math.abs(a[index]! - value))) : Infinity);

const double = 1e-6;
const measures: Readonly<Record<string, Measure>> = {
  "token rewards: score on the last token, −η (log π − log π_ref) on all": {
    ours: "`klPenalty`", theirs: "`PPOTrainer.compute_rewards`", tolerance: double, of: ({ rewards }, { prepared }) => apart(prepared.rewards, rewards),
  },
  "KL per answer": {
    ours: "`objective/kl`", theirs: "`objective/kl` of `record_step_stats`, `kl_penalty` \"kl\"", tolerance: double,
    of: ({ kl }, { experience }) => Math.abs(klPerAnswer(experience) - kl),
  },
  "adaptive KL coefficient": {
    ours: "`adaptiveKl`", theirs: "`AdaptiveKLController.update`", tolerance: 1e-12,
    of: ({ adaptive }) => {
      let coefficient = 0.05;
      return apart(adaptive.kl.map((kl) => (coefficient = adaptedCoefficient(coefficient, kl, 64, { target: 6, horizon: 1000 }))), adaptive.coefficients);
    },
  },
  "running mean and std of scores": {
    ours: "`rewardNormalization`", theirs: "`RunningMoments.update`", tolerance: double, note: "TRL keeps float32",
    of: ({ given, moments }) => {
      const objective = new Objective({ rewardNormalization: { clip: 100 } }, 1);
      return Math.max(...moments.map(({ mean, std }, index) => {
        objective.prepare(scoresAlone(given.scores.slice(3 * index, 3 * index + 3)));
        const { "reward/running_mean": ourMean, "reward/running_std": ourStd } = objective.metrics();
        return apart([ourMean!, ourStd!], [mean, std]);
      }));
    },
  },
  "advantages by GAE": {
    ours: "`gae`", theirs: "`PPOTrainer.compute_advantages`", tolerance: double, note: "its returns less its values: it gives advantages only whitened",
    of: ({ advantages }, { prepared }) => apart(prepared.advantages, advantages),
  },
  returns: { ours: "`gae`", theirs: "`PPOTrainer.compute_advantages`", tolerance: double, of: ({ returns }, { prepared }) => apart(prepared.returns, returns) },
  "whitened advantages": {
    ours: "`advantageNormalization`, times √((n − 1)/n)", theirs: "`masked_whiten`", tolerance: double,
    note: "TRL divides the variance by n − 1, Trueline by n; n tokens",
    of: ({ whitened }, { whitened: found }) => {
      const scale = Math.sqrt((found.length - 1) / found.length);
      return apart(found.map((value) => value * scale), whitened);
    },
  },
  "policy loss": {
    ours: "`clippedSurrogate`", theirs: "`PPOTrainer.loss`", tolerance: double, of: ({ policyLoss }, { policy }) => Math.abs(policy.loss - policyLoss),
  },
  "its gradient by log-probability": {
    ours: "`clippedSurrogate`", theirs: "autograd of `PPOTrainer.loss`", tolerance: double, of: ({ policyGradient }, { policy }) => apart(policy.gradient, policyGradient),
  },
  "value loss": {
    ours: "`valueClipping`", theirs: "`PPOTrainer.loss`", tolerance: double, note: "`vf_coef` 1; TRL's default is 0.1",
    of: ({ valueLoss }, { value }) => Math.abs(value.loss - valueLoss),
  },
  "its gradient by value": {
    ours: "`valueClipping`", theirs: "autograd of `PPOTrainer.loss`", tolerance: double, of: ({ valueGradient }, { value }) => apart(value.gradient, valueGradient),
  },
  "½ (log ρ)², mean over tokens": {
    ours: "`policy/approxkl`", theirs: "`policy/approxkl`", tolerance: double, of: ({ approxkl }, { policy }) => Math.abs(policy.statistics["policy/approxkl"]! - approxkl),
  },
  "mean ratio": { ours: "`val/ratio`", theirs: "`policy/ratio`", tolerance: double, of: ({ ratio }, { policy }) => Math.abs(policy.statistics["val/ratio"]! - ratio) },
  "clipped share": {
    ours: "`policy/clipfrac`", theirs: "`policy/clipfrac`", note: "TRL counts tokens whose loss the clip changes, Trueline those whose ratio is outside of it",
    of: ({ clipfrac }, { policy }) => Math.abs(policy.statistics["policy/clipfrac"]! - clipfrac),
  },
  "clipped share of values": {
    ours: "`val/clipfrac`", theirs: "`val/clipfrac`", note: "likewise", of: ({ valueClipfrac }, { value }) => Math.abs(value.statistics["val/clipfrac"]! - valueClipfrac),
  },
};

const scoresAlone = (scores: readonly number[]): Experience => {
  const targets = scores.map(() => Int32Array.of(1));
  const zeros = new Float32Array(scores.length);
  return {
    sequences: scores.map(() => new Int32Array(2)), targets, offsets: offsetsOf(targets), policyLogProbabilities: zeros, referenceLogProbabilities: zeros,
    values: zeros, scores: Float64Array.from(scores), finished: scores.map(() => true),
  };
};

/** Every formula over all the tensors. */
export function compareTensors(all: readonly TensorFacts[]): Comparison[] {
  const computed = all.map((facts) => ({ facts, ours: ours(facts) }));
  return Object.entries(measures).map(([what, { of, ...rest }]) => ({ what, ...rest, difference: Math.max(...computed.map((one) => of(one.facts, one.ours))) }));
}
