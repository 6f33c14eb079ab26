import type { Study, StudyRun } from "./secrets/figures.js";
import { mean } from "./secrets/measures.js";
import { spread } from "./secrets/spread.js";

/** File of the figures, beside the page. */
export const GROUP_FILE = "group-invariance.json";

const settings = [["kl", "PPO with a KL penalty"], ["max", "PPO-max"], ["group", "PPO-max, groupInvariance"], ["balanced", "the same, klWeight balanced"]] as const;

/** The lines of docs/group-invariance.md that say what was measured: the table, then comparisons in words. */
export function groupLines({ runs }: Study): string[] {
  const of = (variant: string): readonly StudyRun[] => runs.filter((run) => run.variant === variant);
  return [
    "| policy | seeds | gold, English | gold, Chinese | wins − losses against SFT, English | Chinese | KL, nats an answer |", "|---|---|---|---|---|---|---|",
    ...settings.map(([variant, name]) => `| ${[
      name, of(variant).map(({ seed }) => seed).join(", "), ...["en", "zh"].map((language) => ranged(of(variant).map((run) => prompts(run, language).gold))),
      ...["en", "zh"].map((language) => ranged(of(variant).map((run) => prompts(run, language).win - prompts(run, language).lose))),
      ranged(of(variant).map((run) => end(run, "objective/kl"))),
    ].join(" | ")} |`),
    ...settings.slice(0, 2).map(([variant, name]) => compared(of("group"), of(variant), name)),
    ...settings.slice(0, 2).map(([variant, name]) => compared(of("balanced"), of(variant), name, "groupInvariance, balanced,")),
    `- Over the last 8 steps the groups explain ${ranged(of("group").map((run) => end(run, "group/explained")))} of the variance of returns.`,
  ];
}

function prompts({ groups }: StudyRun, language: string): StudyRun["groups"][string] {
  return groups[`language=${language}`]!;
}

function end({ curves }: StudyRun, metric: keyof StudyRun["curves"]): number {
  return mean((curves[metric] ?? []).slice(-8));
}

/** "0.712 (0.700 to 0.720)". */
const ranged = (values: readonly number[]): string => spread(values, 3, " to ");

/** Seed by seed, out of distribution. */
function compared(ours: readonly StudyRun[], others: readonly StudyRun[], name: string, whose = "groupInvariance"): string {
  const apart = ours.map((run) => prompts(run, "zh").gold - prompts(others.find(({ seed }) => seed === run.seed)!, "zh").gold);
  const better = apart.filter((difference) => difference > 0).length;
  return `- Out of distribution ${whose} scores above ${name} for ${better} of ${apart.length} seeds, in the mean by ${mean(apart).toFixed(3).replace("-", "−")} of gold.`;
}
