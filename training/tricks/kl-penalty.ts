import { z } from "zod";
import type { TrickParameters } from "../../schemas/tricks.js";
import { overTokens } from "../experience.js";
import type { Trick } from "./trick.js";

const stateSchema = z.strictObject({ coefficient: z.number() });

/**
 * Token-level KL penalty: every answer token's reward gets −η (log π − log π_ref), both at the sampling temperature.
 * With `adaptive`, η follows β ← β · (1 + clip(KL/target − 1, ±0.2) · n/horizon). Source: P eq. 19, figure 5 #1.
 */
export function klPenalty(
  parameters: TrickParameters["klPenalty"],
  adaptive?: TrickParameters["adaptiveKl"],
): Trick {
  let { coefficient } = parameters;
  return {
    rewards: ({ policyLogProbabilities, referenceLogProbabilities, offsets }, klWeights) => {
      const penalty = Float64Array.from(policyLogProbabilities, (policy, token) => -coefficient * (policy - referenceLogProbabilities[token]!));
      return klWeights === undefined ? penalty : overTokens(klWeights, offsets).map((weight, token) => weight * penalty[token]!);
    },
    metrics: () => ({ "objective/kl_coefficient": coefficient }),
    ...(adaptive && {
      afterIteration: (kl, answers) => { coefficient = adaptedCoefficient(coefficient, kl, answers, adaptive); },
      state: () => ({ coefficient }),
      restore: (state) => { ({ coefficient } = stateSchema.parse(state)); },
    }),
  };
}

/** One step of the proportional controller. `kl` is in nats per answer, `answers` how many it was measured on. */
export function adaptedCoefficient(
  coefficient: number, kl: number, answers: number, { target, horizon }: TrickParameters["adaptiveKl"],
): number {
  const error = Math.min(0.2, Math.max(-0.2, kl / target - 1));
  return coefficient * (1 + (error * answers) / horizon);
}
