import { TruelineError } from "../../foundation/errors.js";
import { trickNames, type ResolvedTricks, type TrickName } from "../../schemas/tricks.js";
import { advantageNormalization } from "./advantage-normalization.js";
import { clippedSurrogate } from "./clipped-surrogate.js";
import { entropyBonus } from "./entropy-bonus.js";
import { gae } from "./gae.js";
import { gradientClipping } from "./gradient-clipping.js";
import { groupBaseline } from "./group-baseline.js";
import { groupInvariance } from "./group-invariance.js";
import { klLoss } from "./kl-loss.js";
import { klPenalty } from "./kl-penalty.js";
import { lossAggregation } from "./loss-aggregation.js";
import { pretrainingLoss, type DrawPretrainingRows } from "./pretraining-loss.js";
import { referenceSampling } from "./reference-sampling.js";
import { rewardNormalization } from "./reward-normalization.js";
import { rewardScaling } from "./reward-scaling.js";
import type { Trick } from "./trick.js";
import { valueClipping } from "./value-clipping.js";

interface Context {
  readonly resolved: ResolvedTricks;
  readonly drawPretrainingRows?: DrawPretrainingRows;
}

/** Tricks without an object of their own: adaptiveKl steers the KL penalty's coefficient, sequenceRatio says what the surrogate is taken of. */
type Objectless = "adaptiveKl" | "sequenceRatio";

/** How each trick is made. */
const factories: {
  readonly [Name in Exclude<TrickName, Objectless>]:
    (parameters: NonNullable<ResolvedTricks[Name]>, context: Context) => Trick
} = {
  klPenalty: (parameters, { resolved }) => klPenalty(parameters, resolved.adaptiveKl),
  referenceSampling,
  entropyBonus,
  rewardScaling,
  rewardNormalization,
  advantageNormalization,
  valueClipping,
  gae,
  clippedSurrogate,
  gradientClipping,
  pretrainingLoss: (parameters, { drawPretrainingRows }) => {
    if (!drawPretrainingRows) throw new TruelineError("TL_INTERNAL", "pretrainingLoss is on and no pretraining text was given");
    return pretrainingLoss(parameters, drawPretrainingRows);
  },
  groupBaseline,
  klLoss,
  lossAggregation,
  groupInvariance,
};

/** The tricks that are on. Hooks that only one trick may have stand by themselves. */
export interface ComposedTricks extends Pick<Trick, "advantages" | "klWeights" | "oldLogProbabilities" | "surrogate" | "tokenWeights" | "valueError"> {
  readonly named: readonly (readonly [TrickName, Trick])[];
  readonly all: readonly Trick[];
}

/** Makes the tricks that are on, in the order of their declaration. Errors: TL_INTERNAL where ptx has no text. */
export function composeTricks(resolved: ResolvedTricks, drawPretrainingRows?: DrawPretrainingRows): ComposedTricks {
  const context = { resolved, ...(drawPretrainingRows && { drawPretrainingRows }) };
  const named = trickNames.flatMap((name) => {
    const trick = isObjectless(name) ? undefined : make(name, context);
    return trick ? [[name, trick] as const] : [];
  });
  const all = named.map(([, trick]) => trick);
  return {
    named, all,
    advantages: only(all, "advantages"),
    klWeights: only(all, "klWeights"),
    oldLogProbabilities: only(all, "oldLogProbabilities"),
    surrogate: only(all, "surrogate"),
    tokenWeights: only(all, "tokenWeights"),
    valueError: only(all, "valueError"),
  };
}

function isObjectless(name: TrickName): name is Objectless {
  return name === "adaptiveKl" || name === "sequenceRatio";
}

function make<Name extends keyof typeof factories>(name: Name, context: Context): Trick | undefined {
  const parameters = context.resolved[name];
  return parameters ? factories[name](parameters, context) : undefined;
}

function only<Hook extends keyof Trick>(tricks: readonly Trick[], hook: Hook): Trick[Hook] | undefined {
  return tricks.find((trick) => trick[hook])?.[hook];
}
