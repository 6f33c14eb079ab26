import { TruelineError } from "../../foundation/errors.js";
import type { TrickParameters } from "../../schemas/tricks.js";
import { mean, rowSums, variance, type Experience } from "../experience.js";
import { GroupClassifier, groupStatistics, standardisedRows } from "./group-classifier.js";
import type { Trick } from "./trick.js";

/**
 * Group-invariant learning, after G (arXiv 2310.11971): a classifier on the critic's features finds the two groups of
 * answers whose mean returns differ most, the policy's objective is E[R] − β Var_g(R_g), and an answer's KL penalty is
 * multiplied by the probability that it is of the group with the higher return: what is easy stays close to the reference,
 * what is hard may explore. Classifier and policy take turns: an iteration's answers are told apart by the classifier that
 * the iterations before have trained, and train it when the policy has been updated. In the first one nothing is told apart.
 *
 * What G leaves open, or its abstract and reviews do not say, is decided here: docs/group-invariance.md. A return is the sum
 * of an answer's token rewards, KL penalty included; the critic's weights do not see the classifier.
 *
 * Var_g(R_g) = K²/(s(1 − s)) (`groupStatistics`) is a function of three means over answers of the policy, those of p, R and
 * pR, so by ∇ E_π[f] = E_π[f ∇ log π] its gradient is E_π[ψ ∇ log π], with ψ an answer's influence on it (`varianceInfluence`).
 * Adding −β (ψ − ψ̄) to the advantages of an answer's tokens therefore descends it in whatever surrogate the policy has. p and R
 * are given numbers, as rewards are to PPO.
 */
export function groupInvariance(parameters: TrickParameters["groupInvariance"]): Trick {
  const { coefficient, klWeight, classifierLearningRate: learningRate, classifierSteps: steps, classifierWeightDecay: weightDecay } = parameters;
  const classifier = new GroupClassifier({ learningRate, steps, weightDecay });
  /** The iteration's answers: standardised features, probability of the high group, return. */
  let answers: { readonly features: readonly Float64Array[]; readonly probabilities: Float64Array; readonly returns: Float64Array; readonly kl: Float64Array };
  const told = (experience: Experience) => {
    if (!experience.features) throw new TruelineError("TL_INTERNAL", "groupInvariance is on and the critic's features were not given");
    const features = standardisedRows(experience.features, experience.sequences.length);
    return { features, probabilities: classifier.probabilities(features) };
  };
  return {
    readsFeatures: true,
    ...(klWeight !== "off" && {
      klWeights: (experience) => {
        const { probabilities } = told(experience);
        const share = mean(probabilities);
        return klWeight === "balanced" ? probabilities.map((probability) => probability / share) : probabilities;
      },
    }),
    answerAdvantages: (experience, rewards) => {
      const { policyLogProbabilities, referenceLogProbabilities, offsets } = experience;
      const difference = Float64Array.from(policyLogProbabilities, (policy, token) => policy - referenceLogProbabilities[token]!);
      answers = { ...told(experience), returns: rowSums(rewards, offsets), kl: rowSums(difference, offsets) };
      return varianceInfluence(answers.probabilities, answers.returns).map((influence) => -coefficient * influence);
    },
    afterIteration: () => { classifier.train(answers.features, answers.returns); },
    metrics: () => {
      const { probabilities, returns, kl } = answers;
      const found = groupStatistics(probabilities, returns);
      const { highReturn, lowReturn } = groupStatistics(probabilities, kl);
      const spread = variance(returns);
      return {
        "group/variance": found.variance,
        "group/explained": spread === 0 ? 0 : found.variance / spread,
        "group/high_share": found.share,
        "group/high_return": found.highReturn,
        "group/low_return": found.lowReturn,
        "group/high_kl": highReturn,
        "group/low_kl": lowReturn,
      };
    },
    state: () => classifier.state(),
    restore: (state) => { classifier.restore(state); },
  };
}

/**
 * ψ_i − ψ̄ of each answer: how the variance between the groups grows when the answer becomes more likely. With s = mean p,
 * K = mean p(R − R̄), D = s(1 − s): 2K/D · ((p_i − s)(R_i − R̄) − K) − K²(1 − 2s)/D² · (p_i − s).
 */
export function varianceInfluence(probabilities: Float64Array, returns: Float64Array): Float64Array {
  const { share, covariance } = groupStatistics(probabilities, returns);
  const [centre, spread] = [mean(returns), share * (1 - share)];
  return probabilities.map((probability, row) => {
    const apart = probability - share;
    return (2 * covariance / spread) * (apart * (returns[row]! - centre) - covariance) - (covariance / spread) ** 2 * (1 - 2 * share) * apart;
  });
}
