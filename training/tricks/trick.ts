import type { OptimizerSettings, StepPart } from "../../backends/backend.js";
import type { Expression } from "../../backends/expressions.js";
import type { Json } from "../../foundation/canonical.js";
import type { Advantages, Experience } from "../experience.js";

/**
 * One implementation detail of PPO, as the places of the algorithm that it changes. `objective.ts` calls the hooks in the
 * order in which they stand here. A trick that is off has no object, so that off is the same as absent.
 */
export interface Trick {
  /** Reshapes the rows' scores. */
  readonly scores?: (scores: Float64Array) => Float64Array;
  /** Multiplies the KL penalty of each row; one trick at most. */
  readonly klWeights?: (experience: Experience) => Float64Array;
  /** Adds to each token's reward; `klWeights` by row, where a trick has them. */
  readonly rewards?: (experience: Experience, klWeights?: Float64Array) => Float64Array;
  /** Estimates advantages from per-token rewards; one trick at most. */
  readonly advantages?: (rewards: Float64Array, values: ArrayLike<number>, offsets: Int32Array) => Advantages;
  /** Adds to the advantage of all tokens of a row, from all rewards; returns stay as they are. */
  readonly answerAdvantages?: (experience: Experience, rewards: Float64Array) => Float64Array;
  /** Reshapes advantages; returns stay as they are. */
  readonly shapeAdvantages?: (advantages: Float64Array) => Float64Array;
  /** The log-probabilities that the ratio divides by; one trick at most. */
  readonly oldLogProbabilities?: (experience: Experience) => Float32Array;
  /** Loss of a token from its ratio and its negated advantage times the ratio; one trick at most. */
  readonly surrogate?: (negatedAdvantage: Expression, ratio: Expression) => Expression;
  /** A term added to each token's policy loss. */
  readonly policyTerm?: () => Expression;
  /** Per-token arrays that its `policyTerm` names. */
  readonly policyArrays?: (experience: Experience) => Readonly<Record<string, ArrayLike<number>>>;
  /** Means over tokens that a policy's update reports. */
  readonly policyStatistics?: () => Readonly<Record<string, Expression>>;
  /** What each token of a minibatch weighs in the policy's loss, by the lengths of its answers; one trick at most. */
  readonly tokenWeights?: (lengths: readonly number[]) => readonly number[];
  /** A batch of its own that takes part in the policy's update; `update` counts the run's updates. */
  readonly policyPart?: (update: number) => StepPart;
  /** Squared error of a token's value; one trick at most. */
  readonly valueError?: (values: Expression, oldValues: Expression, returns: Expression) => Expression;
  /** Changes the optimizer's settings for policy and critic. */
  readonly optimizer?: (settings: OptimizerSettings) => OptimizerSettings;
  /** Sees the iteration's KL per answer (nats) once its updates are done. */
  readonly afterIteration?: (klPerAnswer: number, answers: number) => void;
  /** Whether `experience.features` has to be there. */
  readonly readsFeatures?: true;
  /** Figures worth a curve. */
  readonly metrics?: () => Readonly<Record<string, number>>;
  /** What a checkpoint must hold to go on, and its way back. */
  readonly state?: () => Json;
  readonly restore?: (state: unknown) => void;
}
