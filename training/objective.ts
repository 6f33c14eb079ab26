import type { OptimizerSettings, StepPart } from "../backends/backend.js";
import {
  absolute, add, constant, entropy, exp, greater, logProbabilities, multiply, perRow, perToken, rowSums, square, subtract, values,
  type Expression, type Sum,
} from "../backends/expressions.js";
import type { Json } from "../foundation/canonical.js";
import type { ResolvedTricks } from "../schemas/tricks.js";
import { gatherTokens, overTokens, type Advantages, type Experience } from "./experience.js";
import { composeTricks, type ComposedTricks } from "./tricks/compose.js";
import { estimateAdvantages } from "./tricks/gae.js";
import type { DrawPretrainingRows } from "./tricks/pretraining-loss.js";

/** An iteration's answers with what the tricks made of them. */
export interface PreparedExperience extends Experience, Advantages {
  /** Rows' scores after reward tricks. */
  readonly shapedScores: Float64Array;
  /** Per-token rewards, scores included. */
  readonly rewards: Float64Array;
  readonly oldLogProbabilities: Float32Array;
}

const change = subtract(logProbabilities, perToken("oldLogProbabilities"));
const meanOver = (expression: Expression): Sum => [multiply(perToken("weight"), expression)];

/** What the surrogate is taken of: ratio, negated advantage and mean, over tokens or over whole answers. */
const domains = {
  tokens: { ratio: exp(change), negatedAdvantages: perToken("negatedAdvantages"), mean: meanOver },
  answers: {
    ratio: exp(rowSums(change)), negatedAdvantages: perRow("negatedAnswerAdvantages"),
    mean: (expression: Expression): Sum => [multiply(perRow("answerWeight"), expression)],
  },
} as const;

/**
 * PPO's objective as the tricks that are on make it: rewards, advantages, and the losses of policy and critic as
 * expressions. Without any trick: reward = score on the last token, advantage = whole return − value, loss = −Aρ,
 * value loss = ½ (V − R)². All token means are over the answers' tokens of a minibatch, unless a trick weighs the policy's otherwise.
 */
export class Objective {
  private readonly tricks: ComposedTricks;

  constructor(
    private readonly resolved: ResolvedTricks,
    private readonly temperature: number,
    drawPretrainingRows?: DrawPretrainingRows,
  ) {
    this.tricks = composeTricks(resolved, drawPretrainingRows);
  }

  /** Whether an experience has to have features. */
  get readsFeatures(): boolean {
    return this.tricks.all.some(({ readsFeatures }) => readsFeatures);
  }

  /** Rewards and advantages of an iteration. Reward tricks' running statistics take these scores in: call it once. */
  prepare(experience: Experience): PreparedExperience {
    const { offsets, values: oldValues } = experience;
    const shapedScores = this.tricks.all.reduce((scores, { scores: shape }) => shape?.(scores) ?? scores, experience.scores);
    const rewards = new Float64Array(offsets.at(-1)!);
    shapedScores.forEach((score, row) => { rewards[offsets[row + 1]! - 1]! += score; });
    const klWeights = this.tricks.klWeights?.(experience);
    for (const trick of this.tricks.all) {
      trick.rewards?.(experience, klWeights).forEach((reward, token) => { rewards[token]! += reward; });
    }
    const estimate = this.tricks.advantages
      ?? ((...given) => estimateAdvantages(...given, { lambda: 1, gamma: 1 }));
    const { advantages, returns } = estimate(rewards, oldValues, offsets);
    for (const { answerAdvantages } of this.tricks.all) {
      if (answerAdvantages) overTokens(answerAdvantages(experience, rewards), offsets).forEach((advantage, token) => { advantages[token]! += advantage; });
    }
    return {
      ...experience,
      shapedScores, rewards, returns,
      advantages: this.tricks.all.reduce((shaped, { shapeAdvantages }) => shapeAdvantages?.(shaped) ?? shaped, advantages),
      oldLogProbabilities: this.tricks.oldLogProbabilities?.(experience) ?? experience.policyLogProbabilities,
    };
  }

  /** What one update of the policy takes: the minibatch of these rows, then the tricks' own batches. */
  policyParts(prepared: PreparedExperience, rows: Int32Array, update: number): readonly StepPart[] {
    const range = this.resolved.clippedSurrogate?.range ?? 0.2;
    const { ratio, mean } = domains[this.resolved.sequenceRatio ? "answers" : "tokens"];
    const statistics = this.tricks.all.flatMap(({ policyStatistics }) => Object.entries(policyStatistics?.() ?? {}));
    const minibatch: StepPart = {
      ...this.policyMinibatch(prepared, rows),
      loss: this.policyLoss(),
      statistics: {
        "policy/approxkl": meanOver(multiply(constant(0.5), square(change))),
        "policy/clipfrac": mean(greater(absolute(subtract(ratio, constant(1))), constant(range))),
        "val/ratio": mean(ratio),
        "objective/entropy": meanOver(entropy),
        ...Object.fromEntries(statistics.map(([name, expression]) => [name, meanOver(expression)])),
      },
    };
    const extra = this.tricks.all.flatMap(({ policyPart }) => (policyPart ? [policyPart(update)] : []));
    return [minibatch, ...extra];
  }

  /** What one update of the critic takes. */
  valuePart(prepared: PreparedExperience, rows: Int32Array): StepPart {
    const valueError = this.tricks.valueError ?? ((now, _old, returns) => square(subtract(now, returns)));
    const range = this.resolved.valueClipping?.range ?? 0.2;
    return {
      ...this.minibatch(prepared, rows, { oldValues: prepared.values, returns: prepared.returns }),
      loss: meanOver(multiply(constant(0.5), valueError(values, perToken("oldValues"), perToken("returns")))),
      statistics: {
        "val/clipfrac": meanOver(greater(absolute(subtract(values, perToken("oldValues"))), constant(range))),
      },
    };
  }

  optimizer(settings: OptimizerSettings): OptimizerSettings {
    return this.tricks.all.reduce((changed, { optimizer }) => optimizer?.(changed) ?? changed, settings);
  }

  /** Tells the tricks that an iteration's updates are done. `kl` is in nats per answer. */
  afterIteration(kl: number, answers: number): void {
    for (const { afterIteration } of this.tricks.all) afterIteration?.(kl, answers);
  }

  metrics(): Readonly<Record<string, number>> {
    return Object.assign({}, ...this.tricks.all.map(({ metrics }) => metrics?.() ?? {}));
  }

  /** The tricks' running state, by trick. */
  state(): { readonly [trick: string]: Json } {
    return Object.fromEntries(this.tricks.named.flatMap(([name, { state }]) => (state ? [[name, state()]] : [])));
  }

  restore(state: Readonly<Record<string, unknown>>): void {
    for (const [name, { restore }] of this.tricks.named) restore?.(state[name]);
  }

  /** The surrogate, and the terms that tricks add to each token's loss. */
  private policyLoss(): Sum {
    const surrogate = this.tricks.surrogate ?? multiply;
    const weigh = (expression: Expression): Sum =>
      (this.tricks.tokenWeights ? [multiply(perToken("lossWeight"), expression)] : meanOver(expression));
    const { ratio, negatedAdvantages, mean } = domains[this.resolved.sequenceRatio ? "answers" : "tokens"];
    const main = surrogate(negatedAdvantages, ratio);
    const terms = this.tricks.all.flatMap(({ policyTerm }) => (policyTerm ? [policyTerm()] : []));
    if (!this.resolved.sequenceRatio) return weigh(terms.reduce(add, main));
    return [...mean(main), ...terms.flatMap(weigh)];
  }

  private policyMinibatch(prepared: PreparedExperience, rows: Int32Array): Pick<StepPart, "batch" | "arrays" | "temperature"> {
    const { offsets, advantages } = prepared;
    const minibatch = this.minibatch(prepared, rows, {
      oldLogProbabilities: prepared.oldLogProbabilities,
      negatedAdvantages: advantages.map((advantage) => -advantage),
      ...Object.assign({}, ...this.tricks.all.map(({ policyArrays }) => policyArrays?.(prepared) ?? {})),
    });
    const weights = this.tricks.tokenWeights?.(minibatch.batch.targets.map(({ length }) => length));
    return {
      ...minibatch,
      arrays: {
        ...minibatch.arrays,
        ...(weights && { lossWeight: Float32Array.from(weights) }),
        ...(this.resolved.sequenceRatio && {
          // all tokens of an answer have the same
          negatedAnswerAdvantages: Float32Array.from(rows, (row) => -advantages[offsets[row]!]!),
          answerWeight: new Float32Array(rows.length).fill(1 / rows.length),
        }),
      },
    };
  }

  private minibatch(
    { sequences, targets, offsets }: Experience, rows: Int32Array, arrays: Readonly<Record<string, ArrayLike<number>>>,
  ): Pick<StepPart, "batch" | "arrays" | "temperature"> {
    const chosen = Array.from(rows);
    const tokens = chosen.reduce((sum, row) => sum + targets[row]!.length, 0);
    return {
      batch: { sequences: chosen.map((row) => sequences[row]!), targets: chosen.map((row) => targets[row]!) },
      arrays: {
        ...Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, gatherTokens(array, offsets, rows)])),
        weight: new Float32Array(tokens).fill(1 / tokens),
      },
      temperature: this.temperature,
    };
  }
}
