import { curveOf, fall, figureOf, mean, proxyGainAfterPeak, roughness } from "./measures.js";
import type { StudyRun } from "./figures.js";

/** What one seed says of a claim: it holds, its opposite does, or neither. */
export type Outcome = "holds" | "neither" | "opposite";
export type Verdict = "confirmed" | "not seen" | "contradicted";

/** The runs of a setting, in the order of their seeds. */
export type RunsOf = (variant: string) => readonly StudyRun[];

/** A claim of the paper and how the study decides on it. The criteria stood before the runs did. */
export interface Finding {
  readonly title: string;
  /** Where the paper says it. */
  readonly source: string;
  readonly claim: string;
  /** What has to be seen, in words; `outcomes` is the same as code. */
  readonly criterion: string;
  /** Settings that are drawn and listed, the one compared with first. */
  readonly variants: readonly string[];
  readonly outcomes: (runs: RunsOf) => readonly Outcome[];
  /** What a reader should know of the runs before believing the verdict. */
  readonly note?: (runs: RunsOf) => string;
  /** Settings that were run after the verdict was known, and are listed with the others. */
  readonly afterwards?: readonly string[];
}

/** A fall of the gold score from its peak that counts as a collapse, and one that is none. */
const COLLAPSE = 0.1;
const STABLE = 0.05;
/** Mean gold scores within this are alike. */
const ALIKE = 0.05;

/** Confirmed where it holds for every seed, contradicted where the opposite does. */
export function verdictOf(outcomes: readonly Outcome[]): Verdict {
  if (outcomes.length > 0 && outcomes.every((outcome) => outcome === "holds")) return "confirmed";
  if (outcomes.length > 0 && outcomes.every((outcome) => outcome === "opposite")) return "contradicted";
  return "not seen";
}

/** `above` by more than the margin holds, below by more than it is the opposite. */
function exceeds(difference: number, margin = 0): Outcome {
  if (difference > margin) return "holds";
  return difference < -margin ? "opposite" : "neither";
}

const collapses = (run: StudyRun): Outcome => {
  if (fall(run) > COLLAPSE && proxyGainAfterPeak(run) > 0) return "holds";
  return fall(run) <= STABLE ? "opposite" : "neither";
};

const lasts = (run: StudyRun): Outcome => {
  if (fall(run) <= STABLE) return "holds";
  return fall(run) > COLLAPSE ? "opposite" : "neither";
};

const bySeed = (runs: RunsOf, variants: readonly string[], judge: (...each: StudyRun[]) => Outcome): Outcome[] => {
  const columns = variants.map((variant) => runs(variant));
  return columns[0]!.flatMap((first) => {
    const row = columns.map((column) => column.find(({ seed }) => seed === first.seed));
    return row.every((run) => run !== undefined) ? [judge(...row)] : [];
  });
};

/** All of them: the first that does not hold decides. */
const all = (...outcomes: readonly Outcome[]): Outcome => {
  if (outcomes.every((outcome) => outcome === "holds")) return "holds";
  return outcomes.every((outcome) => outcome === "opposite") ? "opposite" : "neither";
};

const gold = (run: StudyRun) => figureOf(run, "eval/gold");
const proxy = (run: StudyRun) => figureOf(run, "eval/proxy");
const kl = (run: StudyRun) => figureOf(run, "eval/kl");

/** Whether settings end alike: one outcome, because it is about means over seeds. */
const alike = (runs: RunsOf, variants: readonly string[]): Outcome[] => {
  const means = variants.map((variant) => mean(runs(variant).map(gold)));
  const spread = Math.max(...means) - Math.min(...means);
  return [spread <= ALIKE ? "holds" : spread > 2 * ALIKE ? "opposite" : "neither"];
};

const alikeWords = `mean gold scores over seeds within ${ALIKE} of each other (contradicted where they are more than ${2 * ALIKE} apart)`;
const collapseWords = `the gold score, as a mean over 8 steps, ends more than ${COLLAPSE} below its peak while the reward model's score has gone on rising since`;
const lastsWords = `the gold score ends at most ${STABLE} below its peak`;

export const findings: readonly Finding[] = [
  {
    title: "Vanilla PPO collapses while its reward rises", source: "P §5.2, figure 4",
    claim: "Vanilla PPO's win rate rises, then falls (50 → 63 → 23 %), while the reward goes on rising (3 → 15).",
    criterion: `For every seed ${collapseWords}.`,
    variants: ["vanilla"], outcomes: (runs) => bySeed(runs, ["vanilla"], (run) => collapses(run!)),
  },
  {
    title: "PPO-max climbs and stays", source: "P §5.4, figure 9",
    claim: "PPO-max trains on for 10 k steps without a collapse.",
    criterion: `For every seed ${lastsWords}, and at the end the policy beats SFT by more than 0.1 gold.`,
    variants: ["max", "vanilla"],
    outcomes: (runs) => bySeed(runs, ["max"], (run) => all(lasts(run!), exceeds(gold(run!) - figureOf(run!, "eval/gold_baseline"), 0.1))),
  },
  {
    title: "KL, length and perplexity betray the collapse", source: "P §5.2, figures 4 and 9",
    claim: "Where the policy collapses, KL to SFT and response length are far higher and perplexity lower than where it does not.",
    criterion: "For every seed vanilla PPO ends with at least twice PPO-max's KL, longer answers and a lower perplexity.",
    variants: ["vanilla", "max"],
    outcomes: (runs) => bySeed(runs, ["vanilla", "max"], (a, b) => all(
      exceeds(kl(a!) - 2 * kl(b!)), exceeds(figureOf(a!, "eval/length") - figureOf(b!, "eval/length")),
      exceeds(figureOf(b!, "eval/perplexity") - figureOf(a!, "eval/perplexity")))),
  },
  {
    title: "Reward scaling behaves like vanilla", source: "P §5.3.1, figure 6",
    claim: "Scaling rewards by the running standard deviation does not stop the collapse.",
    criterion: `For every seed, with reward scaling too, ${collapseWords}.`,
    variants: ["vanilla", "scaling"], outcomes: (runs) => bySeed(runs, ["scaling"], (run) => collapses(run!)),
  },
  {
    title: "A larger δ of reward normalisation gives more reward and more drift", source: "P §5.3.1, figure 6",
    claim: "Normalised rewards clipped at 0.8 instead of 0.3 reach a higher reward and move further from SFT.",
    criterion: "For every seed δ 0.8 ends with a higher proxy score and a higher KL than δ 0.3.",
    variants: ["vanilla", "rnorm-08", "rnorm-03"],
    outcomes: (runs) => bySeed(runs, ["rnorm-08", "rnorm-03"], (wide, narrow) => all(exceeds(proxy(wide!) - proxy(narrow!)), exceeds(kl(wide!) - kl(narrow!)))),
  },
  {
    title: "A larger δ of advantage clipping gives more reward and more drift", source: "P §5.3.1, figure 6",
    claim: "Normalised advantages clipped at 0.5 instead of 0.12 reach a higher reward and move further from SFT.",
    criterion: "For every seed δ 0.5 ends with a higher proxy score and a higher KL than δ 0.12.",
    variants: ["vanilla", "anorm-05", "anorm-012"],
    outcomes: (runs) => bySeed(runs, ["anorm-05", "anorm-012"], (wide, narrow) => all(exceeds(proxy(wide!) - proxy(narrow!)), exceeds(kl(wide!) - kl(narrow!)))),
  },
  {
    title: "The KL penalty alone gives lasting stability", source: "P §5.3.2, figure 7",
    claim: "A token-level KL penalty by itself keeps PPO stable; it is the key factor.",
    criterion: `For every seed of vanilla PPO with η 0.05 ${lastsWords}.`,
    variants: ["vanilla", "kl-005"], outcomes: (runs) => bySeed(runs, ["kl-005"], (run) => lasts(run!)),
  },
  {
    title: "Reward and drift fall from η 0.05 over 0.1 to 0.2", source: "P appendix B.2",
    claim: "The smaller the KL coefficient, the higher the reward and the further the policy goes.",
    criterion: "For every seed proxy score and KL are ordered 0.05 > 0.1 > 0.2.",
    variants: ["kl-005", "kl-01", "kl-02"],
    outcomes: (runs) => bySeed(runs, ["kl-005", "kl-01", "kl-02"], (a, b, c) => all(
      exceeds(proxy(a!) - proxy(b!)), exceeds(proxy(b!) - proxy(c!)), exceeds(kl(a!) - kl(b!)), exceeds(kl(b!) - kl(c!)))),
  },
  {
    title: "The entropy bonus hangs on its clip", source: "P §5.3.2, appendix B.3",
    claim: "A change of the clip of the entropy bonus by 10 % breaks training; it is not recommended.",
    criterion: "For every seed the gold scores of clip 0.3 and of clip 0.33 nats a token, which is where these policies' entropy is, differ by more than 0.1 "
      + "(contradicted: by less than 0.05). The paper's 30 is above any entropy that a vocabulary of 1,000 allows (6.9), so there the clip does nothing.",
    variants: ["vanilla", "entropy", "entropy-030", "entropy-033"],
    outcomes: (runs) => bySeed(runs, ["entropy-030", "entropy-033"], (a, b) => {
      const apart = Math.abs(gold(a!) - gold(b!));
      return apart > 0.1 ? "holds" : apart < 0.05 ? "opposite" : "neither";
    }),
  },
  {
    title: "Importance sampling against the reference steadies and holds back", source: "P §5.3.2, figure 7",
    claim: "With the reference as the old policy, PPO with a KL penalty is stabler and ends with less reward.",
    criterion: "For every seed adding it to η 0.05 gives a lower proxy score and a lower KL, and the gold score falls by at most as much from its peak.",
    variants: ["vanilla", "kl-005", "isr", "isr-kl"],
    outcomes: (runs) => bySeed(runs, ["kl-005", "isr-kl"], (without, together) => all(
      exceeds(proxy(without!) - proxy(together!)), exceeds(kl(without!) - kl(together!)), exceeds(fall(without!) - fall(together!) + 1e-9))),
  },
  {
    title: "Without SFT, PPO fails", source: "P §5.3.3, figure 8",
    claim: "A policy that starts from the pretrained model instead of SFT does not learn to answer.",
    criterion: "For every seed the policy from the pretrained model ends more than 0.1 gold below PPO-max from SFT and does not beat SFT.",
    variants: ["max", "no-sft"],
    outcomes: (runs) => bySeed(runs, ["max", "no-sft"], (a, b) => all(
      exceeds(gold(a!) - gold(b!), 0.1), exceeds(figureOf(b!, "eval/gold_baseline") - gold(b!)))),
  },
  {
    title: "A critic from the reward model ends like one from SFT", source: "P §5.3.3, figure 8",
    claim: "After a while it does not matter whether the critic starts from the reward model or from SFT with a fresh head.",
    criterion: `With neither pretrained, ${alikeWords}.`,
    variants: ["critic-rm", "critic-sft"], outcomes: (runs) => alike(runs, ["critic-rm", "critic-sft"]),
  },
  {
    title: "Pretraining the critic steadies the start", source: "P §5.3.3, figure 8; §5.4",
    claim: "A critic that has been fitted to the returns of the SFT policy makes the first updates steadier.",
    criterion: "For every seed, over the first 10 steps, the pretrained critic explains more of the returns' variance than the reward model used as it is.",
    variants: ["max", "critic-rm", "critic-sft"],
    outcomes: (runs) => bySeed(runs, ["max", "critic-rm"], (pretrained, raw) => {
      const start = (run: StudyRun) => mean(curveOf(run, "val/explained_variance").slice(0, 10));
      return exceeds(start(pretrained!) - start(raw!));
    }),
  },
  {
    title: "Reward normalisation with value clipping, without KL, collapses late", source: "P appendix B.1",
    claim: "Reward normalisation (δ 0.8) with value clipping and no KL penalty collapses near step 800.",
    criterion: `For every seed ${collapseWords}.`,
    variants: ["vanilla", "rnorm-vclip"], outcomes: (runs) => bySeed(runs, ["rnorm-vclip"], (run) => collapses(run!)),
  },
  {
    title: "Two other mixtures converge", source: "P appendix B.1",
    claim: "Reward with advantage normalisation converges, and so does reward scaling with clipped advantages (0.8) and value clipping.",
    criterion: `For every seed of both, ${lastsWords}.`,
    variants: ["vanilla", "rnorm-anorm", "scaling-anorm-vclip"],
    outcomes: (runs) => bySeed(runs, ["rnorm-anorm", "scaling-anorm-vclip"], (a, b) => all(lasts(a!), lasts(b!))),
  },
  {
    title: "The range of the clipped surrogate matters little", source: "P appendix C.1",
    claim: "The clip of the ratio can be varied without much effect.",
    criterion: `Ranges 0.1, 0.2 and 0.3: ${alikeWords}.`,
    variants: ["max", "clip-01", "clip-03"], outcomes: (runs) => alike(runs, ["max", "clip-01", "clip-03"]),
    note: (runs) => {
      const share = (variant: string) => `${(100 * mean(runs(variant).flatMap((run) => curveOf(run, "policy/clipfrac")))).toFixed(3)} %`;
      return `Each answer is used for one update alone, so that hardly a ratio reaches the clip: ${share("clip-01")} of them at 0.1, ${share("max")} at 0.2, ${share("clip-03")} at 0.3. `
        + `With four passes over each batch, run afterwards, it is reached by ${share("epochs-4-clip-01")}, ${share("epochs-4")} and ${share("epochs-4-clip-03")}.`;
    },
    afterwards: ["epochs-4-clip-01", "epochs-4", "epochs-4-clip-03"],
  },
  {
    title: "Clipping gradients matters little", source: "P appendix C.2",
    claim: "A clip of the global gradient norm has little effect.",
    criterion: `With and without it, ${alikeWords}.`,
    variants: ["max", "no-gradient-clipping"], outcomes: (runs) => alike(runs, ["max", "no-gradient-clipping"]),
    note: (runs) => `The clip, at a norm of 1, is never reached: the largest is ${Math.max(...runs("max").flatMap((run) => curveOf(run, "policy/gradient_norm"))).toFixed(2)}, `
      + "and both settings give the same policies. A clip at 0.05, run afterwards, scales nearly every gradient down.",
    afterwards: ["gradient-clip-005"],
  },
  {
    title: "λ 0 is unstable", source: "P appendix C.3",
    claim: "With λ 0, advantages are biased by the critic's errors and training is unstable.",
    criterion: "For every seed λ 0 ends more than 0.05 gold below λ 0.9, or falls more than 0.1 from its peak.",
    variants: ["max", "lambda-0", "lambda-05"],
    outcomes: (runs) => bySeed(runs, ["max", "lambda-0"], (base, zero) =>
      (fall(zero!) > COLLAPSE ? "holds" : exceeds(gold(base!) - gold(zero!), 0.05))),
  },
  {
    title: "λ 1 is noisy", source: "P appendix C.3",
    claim: "With λ 1, advantages have a high variance.",
    criterion: "For every seed the proxy score's changes from step to step have a higher standard deviation under λ 1 than under λ 0.9.",
    variants: ["max", "lambda-095", "lambda-1"],
    outcomes: (runs) => bySeed(runs, ["max", "lambda-1"], (base, one) =>
      exceeds(roughness(curveOf(one!, "objective/scores")) - roughness(curveOf(base!, "objective/scores")))),
  },
  {
    title: "A reward model that was stopped early gives a worse policy", source: "P §4.3, §5.1",
    claim: "A reward model after 200 of 1,000 steps has nearly the final accuracy and yet yields a worse policy.",
    criterion: "For every seed its accuracy on held-out pairs is within 0.05 of the finished one's, and the policy's gold score more than 0.02 lower.",
    variants: ["max", "rm-early"],
    outcomes: (runs) => bySeed(runs, ["max", "rm-early"], (whole, early) => all(
      exceeds(0.05 - Math.abs(figureOf(whole!, "rm/accuracy") - figureOf(early!, "rm/accuracy"))), exceeds(gold(whole!) - gold(early!), 0.02))),
  },
  {
    title: "The reward model bounds the policy", source: "P §3, §4",
    claim: "The quality of the reward model sets the bound of the policy's.",
    criterion: "In the mean over seeds, the gold score of the policy is ordered as the share of pairs that its reward model was trained on: 10 < 30 < 100 %.",
    variants: ["max", "rm-30", "rm-10"],
    outcomes: (runs) => {
      const [whole, third, tenth] = ["max", "rm-30", "rm-10"].map((variant) => mean(runs(variant).map(gold)));
      return [all(exceeds(whole! - third!), exceeds(third! - tenth!))];
    },
  },
  {
    title: "PPO pays an alignment tax, which ptx lowers", source: "P §6",
    claim: "PPO loses accuracy on multiple-choice questions of knowledge, and pretraining text in its loss wins some of it back.",
    criterion: "For every seed PPO-max without ptx answers fewer of 216 questions about the world's facts rightly, by likelihood, than SFT, and with ptx more than without.",
    variants: ["max", "no-ptx"],
    outcomes: (runs) => bySeed(runs, ["max", "no-ptx"], (together, without) => all(
      exceeds(figureOf(without!, "facts-sft/accuracy") - figureOf(without!, "facts/accuracy")),
      exceeds(figureOf(together!, "facts/accuracy") - figureOf(without!, "facts/accuracy")))),
    note: (runs) => `SFT answers ${(100 * figureOf(runs("max")[0]!, "facts-sft/accuracy")).toFixed(0)} % of them: at this size there is hardly anything to lose, or to win back.`,
  },
  {
    title: "PPO-max lasts for twice as long", source: "P §5.4, figure 9",
    claim: "PPO-max stays stable far beyond the point where vanilla PPO has collapsed.",
    criterion: `Over 160 steps instead of 80, for every seed ${lastsWords}.`,
    variants: ["max-long"], outcomes: (runs) => bySeed(runs, ["max-long"], (run) => lasts(run!)),
  },
];
