import { renderComparison } from "../../reports/comparison.js";
import { findings, verdictOf, type Finding, type RunsOf, type Verdict } from "./findings.js";
import { linesOf, readStudy, type Study, type StudyRun } from "./figures.js";
import { fall, WINDOW } from "./measures.js";
import { courseSection, overoptimizationSection, rewardModelSection, taskSection } from "./sections.js";
import { spread } from "./spread.js";

/** docs/secrets-of-ppo.md, from docs/secrets-of-ppo.json. */
export function secretsDocument(): string {
  return secretsText(readStudy());
}

/** The pictures that the page shows, by their file's name. */
export function secretsPictures(): Readonly<Record<string, () => string>> {
  const runs = runsIn(readStudy());
  return Object.fromEntries(findings.filter((finding) => judge(finding, runs) !== "not run").map((finding) => [pictureName(finding), () => picture(finding, runs)]));
}

/** The page for a study's figures. Pure. */
export function secretsText(study: Study): string {
  const runs = runsIn(study);
  const judged = findings.map((finding) => ({ finding, verdict: judge(finding, runs) }));
  return [
    "# The paper's findings at the size of a laptop",
    "Written by `npm run schema` from [secrets-of-ppo.json](secrets-of-ppo.json), which `npm run study` writes: it runs the specs in "
    + "[pipelines/secrets-of-ppo](../pipelines/secrets-of-ppo), skips what the file has under the same keys, and so can be stopped and started at will.",
    "**P** is \"Secrets of RLHF in Large Language Models Part I: PPO\" (arXiv 2307.04964). Its models have 7 billion parameters; here a model of 0.7 million learns the sample task "
    + "in some 80 iterations of 64 answers, from one SFT model and one reward model, with three seeds of PPO a setting. What this page can show is whether a claim has the same *shape* "
    + "at this scale. The gold score knows the right answers; training never sees it. The criteria were written before the runs; a claim is *confirmed* where its criterion holds for every seed, "
    + "*contradicted* where the opposite does, else *not seen*.",
    `${study.runs.length} policies, whose PPO took ${(study.runs.reduce((sum, { seconds = 0 }) => sum + seconds, 0) / 3600).toFixed(1)} hours in all on one thread each, beside other work; ${study.processors}. ${Object.entries(study.versions).map(([name, version]) => `${name} ${version}`).join(", ")}.`,
    [
      "| finding | source | here |", "|---|---|---|",
      ...judged.map(({ finding, verdict }) => `| [${finding.title}](#${anchor(finding.title)}) | ${finding.source} | ${verdict}${verdict !== "not run" && finding.note !== undefined ? ", with a note" : ""} |`),
    ].join("\n"),
    ...courseSection(runs),
    ...judged.flatMap(({ finding, verdict }) => section(finding, verdict, runs)),
    ...rewardModelSection(runs),
    ...overoptimizationSection(runs),
    ...taskSection,
    "## All settings",
    `Means over seeds, with the least and the greatest in parentheses; ${figuresWords}`,
    table([...new Set(study.runs.map(({ variant }) => variant))].sort(), runs),
  ].join("\n\n") + "\n";
}

const figuresWords = "gold, wins and losses against SFT, the reward model's score (proxy), KL to SFT in nats an answer, tokens an answer, perplexity and answers without an end come from the "
  + `evaluation on held-out prompts after the last step; the fall is that of the training answers' gold score from its peak, as means over ${WINDOW} steps.`;

function runsIn({ runs }: Study): RunsOf {
  return (variant) => runs.filter((run) => run.variant === variant).sort((a, b) => a.seed - b.seed);
}

/** Undefined where settings have not been run. */
function judge(finding: Finding, runs: RunsOf): Verdict | "not run" {
  return finding.variants.every((variant) => runs(variant).length >= 3) ? verdictOf(finding.outcomes(runs)) : "not run";
}

function section(finding: Finding, verdict: Verdict | "not run", runs: RunsOf): string[] {
  const { title, source, claim, criterion, variants, note, afterwards = [] } = finding;
  const outcomes = verdict === "not run" ? [] : finding.outcomes(runs);
  const counted = outcomes.length > 1 ? ` (${outcomes.filter((outcome) => outcome === "holds").length} of ${outcomes.length} seeds)` : "";
  return [
    `## ${title}`,
    `*${source}.* ${claim}`,
    `${criterion} **${verdict[0]!.toUpperCase()}${verdict.slice(1)}**${counted}.`,
    ...(verdict === "not run" ? [] : [
      ...(note === undefined ? [] : [note(runs)]),
      `![Curves of ${variants.join(", ")}](secrets-of-ppo/${pictureName(finding)})`, table([...variants, ...afterwards], runs),
    ]),
  ];
}

const columns: readonly (readonly [title: string, of: (run: StudyRun) => number | undefined, digits: number])[] = [
  ["gold", ({ figures }) => figures["eval/gold"], 2],
  ["wins %", ({ figures }) => percent(figures["eval/win_rate"]), 0],
  ["losses %", ({ figures }) => percent(figures["eval/lose_rate"]), 0],
  ["proxy", ({ figures }) => figures["eval/proxy"], 2],
  ["KL", ({ figures }) => figures["eval/kl"], 1],
  ["tokens", ({ figures }) => figures["eval/length"], 0],
  ["perplexity", ({ figures }) => figures["eval/perplexity"], 2],
  ["no end %", ({ figures }) => percent(figures["eval/unfinished"]), 0],
  ["facts %", ({ figures }) => percent(figures["facts/accuracy"]), 0],
  ["fall", fall, 2],
];

function percent(share: number | undefined): number | undefined {
  return share === undefined ? undefined : 100 * share;
}

function table(variants: readonly string[], runs: RunsOf): string {
  const rows = variants.flatMap((variant) => {
    const of = runs(variant);
    if (of.length === 0) return [];
    return [`| ${variant} | ${columns.map(([, figure, digits]) => spread(of.flatMap((run) => figure(run) ?? []), digits)).join(" | ")} |`];
  });
  return [`| setting | ${columns.map(([title]) => title).join(" | ")} |`, `|---|${columns.map(() => "---|").join("")}`, ...rows].join("\n");
}

function picture({ variants }: Finding, runs: RunsOf): string {
  return renderComparison(variants.flatMap((variant) => runs(variant).map((run) => ({ name: variant, seed: run.seed, metrics: linesOf(run) }))));
}

function pictureName({ variants }: Finding): string {
  return `${variants.join("_")}.svg`;
}

/** GitHub's anchor of a heading. */
function anchor(title: string): string {
  return title.toLowerCase().replace(/[^\p{L}\p{N} -]/gu, "").replaceAll(" ", "-");
}
