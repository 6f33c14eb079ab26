import type { RunsOf } from "./findings.js";
import { gainsOf, overoptimization } from "./measures.js";
import { spread } from "./spread.js";

/** Steps of vanilla PPO and PPO-max whose policies were evaluated on their way. */
const course = [20, 40, 60, 80] as const;

/** Vanilla PPO and PPO-max as they are on their way; nothing where some of it has not been run. */
export function courseSection(runs: RunsOf): string[] {
  const at = (setting: string, step: number) => runs(step === 80 ? setting : `${setting}-${step}`);
  if (["vanilla", "max"].some((setting) => course.some((step) => at(setting, step).length === 0))) return [];
  const rows = ["vanilla", "max"].flatMap((setting) => course.map((step) => {
    const cells = [["eval/win_rate", 100, 0], ["eval/lose_rate", 100, 0], ["eval/gold", 1, 2], ["eval/proxy", 1, 2], ["eval/kl", 1, 1], ["eval/length", 1, 0]] as const;
    return `| ${setting} | ${step} | ${cells.map(([name, factor, digits]) => spread(at(setting, step).map(({ figures }) => factor * figures[name]!), digits)).join(" | ")} |`;
  }));
  return [
    "## The course of a collapse",
    "The policy as it is after 20, 40, 60 and 80 iterations, each on 240 held-out prompts against three SFT answers: what figure 4 of P shows for vanilla PPO and figure 9 for PPO-max. "
    + "Runs of fewer steps have the same bytes as the longer ones have on their way, because the learning rate warms up over the same 8 steps.",
    ["| setting | steps | wins % | losses % | gold | proxy | KL | tokens |", "|---|---|---|---|---|---|---|---|", ...rows].join("\n"),
  ];
}

/** Reward models of different worth and their policies; nothing where some have not been run. */
export function rewardModelSection(runs: RunsOf): string[] {
  const models = [
    ["all pairs, one for all seeds", "max"], ["all pairs", "rm-100"], ["30 % of the pairs, as many steps", "rm-30"], ["10 % of the pairs, as many steps", "rm-10"], ["all pairs, stopped after a fifth of the steps", "rm-early"],
  ] as const;
  const known = models.filter(([, variant]) => runs(variant).length > 0);
  if (known.length < models.length) return [];
  return [
    "## How much the reward model bounds the policy",
    "PPO-max under reward models of different worth; but for the first line each seed has a reward model and a critic of its own, of the same seed. Accuracy is on held-out labelled pairs. "
    + "The second line was run after the others, and no criterion is about it.",
    ["| reward model | accuracy % | gold score of its policy | its own score of that policy | KL of that policy |", "|---|---|---|---|---|", ...known.map(([words, variant]) => {
      const of = runs(variant);
      return `| ${words} | ${spread(of.map(({ figures }) => 100 * figures["rm/accuracy"]!), 0)} | ${spread(of.map(({ figures }) => figures["eval/gold"]!), 2)} | ${spread(of.map(({ figures }) => figures["eval/proxy"]!), 2)} | ${spread(of.map(({ figures }) => figures["eval/kl"]!), 1)} |`;
    })].join("\n"),
  ];
}

/** The law of Gao et al., fitted to the runs of vanilla PPO. */
export function overoptimizationSection(runs: RunsOf): string[] {
  const vanilla = runs("vanilla");
  if (vanilla.length === 0) return [];
  return [
    "## Overoptimisation",
    "Gao et al. (\"Scaling Laws for Reward Model Overoptimization\") describe the gold score's gain under reinforcement learning as R = d (α − β log d) with d = √KL: it rises, then falls. "
    + "Fitted by least squares to each vanilla run; the gain is largest at d = exp(α/β − 1).",
    ["| seed | α | β | KL at the peak, nats an answer |", "|---|---|---|---|", ...vanilla.map((run) => {
      const { alpha, beta } = overoptimization(gainsOf(run));
      const distance = Math.exp(alpha / beta - 1);
      return `| ${run.seed} | ${alpha.toFixed(2)} | ${beta.toFixed(2)} | ${beta > 0 ? (distance ** 2).toFixed(1) : "none"} |`;
    })].join("\n"),
  ];
}

/** How the sample task came to be what it is, and what became of a question that an earlier design left open. */
export const taskSection: readonly string[] = [
  "## The task, and the designs that were rejected",
  "The sample task, [data/sample](../data/sample), is made so that the collapse fits into 80 iterations. It was changed on pilot seeds alone, and frozen before the seeds of this page were run.",
  [
    "| design | rejected because |", "|---|---|",
    "| labels with little noise for length, answers at temperature 1 | the longest answer wins at once: vanilla PPO has no rise to fall from |",
    "| policy learning rate 2e-4 | collapse by the 10th iteration |",
    "| Han characters merged with others, no forum text in pretraining | SFT writes gibberish, and vanilla PPO's gold score only falls |",
    "| pretraining on 400 batches of 32 rows instead of 800 of 16 | as many tokens, but SFT ends at a gold score of .36 instead of .60 |",
    "| policy learning rate 4e-5 instead of 8e-5 | on pilot seed 31 vanilla PPO collapses after step 130 only |",
  ].join("\n"),
  "In a design before the last one PPO-max's gold score sagged at the end in one of two pipelines, by .03 while its proxy reward rose by a quarter. In the frozen task it does not, not over 160 steps either; "
  + "but there all seeds of PPO share one reward model, and the two pipelines had one each. Where seeds have reward models of their own, as above, one sags: PPO-max under the reward model of seed 22 that was "
  + "stopped early falls from .74 to .71, with more than twice the KL and proxy reward of the two others. Its answers say why: 82 of 125 answers to English prompts end in Chinese, nearly always "
  + "\u201C希望能帮到你。\u201D (\u201CI hope that helps.\u201D); under the other reward models no more than 2 do. Glued to 200 answers of SFT to English prompts, that sentence raises the score by 2.7 standard deviations under this reward "
  + "model, by 2.5 under that of seed 23 stopped early, and by 0.0 to 1.5 under the seven others that were asked. So a sag is a policy that has found a flaw of its reward model: a reward model that was stopped early has larger ones, "
  + "one policy of two found this one, and a KL penalty, counted in nats, lets a policy have a short sentence. PPO-max steadies the search for reward; it does not mend the reward.",
];
