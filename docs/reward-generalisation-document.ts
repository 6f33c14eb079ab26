import { z } from "zod";
import { readJson } from "./read-json.js";

/** Figures of a run's stages, by stage. */
const figuresSchema = z.record(z.string(), z.record(z.string(), z.number()));
type Figures = z.output<typeof figuresSchema>;

/** What the reward models were trained on and ranked, by the names of the spec. */
const kinds = [
  { name: "written", pairs: "written", words: "the task's own pairs" },
  { name: "sft", pairs: "pairs-sft", words: "answers of SFT" },
  { name: "max", pairs: "pairs-max", words: "answers of PPO-max" },
  { name: "vanilla", pairs: "pairs-vanilla", words: "answers of vanilla PPO" },
] as const;

/** docs/reward-generalisation.md: its words, with the tables of docs/reward-generalisation.json. */
export function rewardGeneralisationDocument(): string {
  const figures = readJson("docs/reward-generalisation.json", figuresSchema);
  return words.replace("{pairs}", pairsTable(figures)).replace("{accuracy}", accuracyTable(figures));
}

/** A line for the pairs of each policy. */
export function pairsTable(figures: Figures): string {
  return [
    "| pairs of | training pairs | held-out pairs | mean gold score | tokens an answer | the longer preferred |", "|---|---|---|---|---|---|",
    ...kinds.flatMap(({ pairs, words: of }) => {
      const own = figures[pairs];
      if (own === undefined) return [];
      const figure = (name: string): number => own[`preferences/${name}`] ?? NaN;
      return [`| ${of} | ${figure("pairs")} | ${figure("held_out_pairs")} | ${figure("score").toFixed(2)} | ${Math.round(figure("length"))} | ${percent(figure("longer_preferred"))} % |`];
    }),
  ].join("\n");
}

/** A line a training set: the mean accuracy over seeds on each kind of pairs, and the widest bounds of their intervals. */
export function accuracyTable(figures: Figures): string {
  return [
    `| trained on | seeds | ${kinds.map(({ words: of }) => `ranks ${of}`).join(" | ")} |`, `|---|---|${kinds.map(() => "---|").join("")}`,
    ...kinds.flatMap(({ name, words: on }) => {
      const seeds = Object.entries(figures).filter(([stage]) => stage === `rank-${name}` || stage.startsWith(`rank-${name}.`)).map(([, own]) => own);
      if (seeds.length === 0) return [];
      const cells = kinds.map(({ pairs }) => {
        const values = (bound: string) => seeds.map((own) => own[`pairs/${pairs}/accuracy${bound}`] ?? NaN);
        const mean = values("").reduce((sum, value) => sum + value, 0) / seeds.length;
        return `${percent(mean)} % (${percent(Math.min(...values("_low")))} to ${percent(Math.max(...values("_high")))})`;
      });
      return [`| ${on} | ${seeds.length} | ${cells.join(" | ")} |`];
    }),
  ].join("\n");
}

const percent = (value: number): string => String(Math.round(100 * value));

const words = `# Reward models on other policies' answers

A reward model knows the answers that it was trained on. PPO asks it about others, and the further the policy goes, the more so: whether it still ranks them is what the paper's premise hangs on (P §3, §6).
[pipelines/reward-generalisation.json](../pipelines/reward-generalisation.json) asks it of the sample task:

1. One SFT model and one reward model, trained on the task's own pairs, whose labels have noise and a liking for length; PPO-max and vanilla PPO against it, 80 steps each.
2. \`preferences\` stages sample four answers to each of 600 training and 240 held-out prompts from the SFT model, from PPO-max's policy and from vanilla's, and label up to three pairs of a prompt by the *gold* score: labels without noise.
3. From each policy's training pairs a reward model, three seeds, 50 steps of 32 pairs.
4. \`reward-accuracy\` stages: every reward model on the held-out pairs of all kinds.

{pairs}

Accuracy on held-out pairs, chance being 50 %; the mean over seeds, and in brackets the lowest and highest bound of their 95 % intervals (Wilson's, over prompts):

{accuracy}

**What one sees.** The reward model of both PPO runs ranks the answers of the model that it was trained from well, those of PPO-max so that it can't be told from chance, and those of vanilla PPO *worse* than chance: among the answers on which
vanilla ends, what this reward model likes better is more often the worse answer. That is overoptimisation, seen in pairs instead of in curves. Labels without noise do not mend it: the reward models trained on gold labels of SFT's answers rank
SFT's answers better still, and vanilla's no better. What is missing is answers of that kind: those trained on vanilla's own answers rank them well above chance, and SFT's still most of the way. A part of it is length. The longer answer is the better
one in most pairs of SFT, and the worse one in most of vanilla's, so that a rule learnt from the former points the wrong way in the latter: to prefer the longer answer is right in 73 % of SFT's held-out pairs and in 36 % of vanilla's, as the pages of the \`reward-accuracy\` stages say.

**What one may not conclude.** Compare down a column, not along a row: PPO-max's answers are mostly right and alike, which leaves fewer and harder pairs. There is one run of each policy; the three seeds are of the reward models alone, and the
brackets say nothing of other policies. Labels are the gold score's, the pairs those that differ most of four answers, the model has 0.7 million weights: numbers of other tasks will be others. That a reward model trained on the new policy's
answers ranks them says that another round of preferences may help here (iterated RLHF); whether it does is another question.

The figures are \`npx trueline status RUN --json | jq '.figures | with_entries(select(.key | test("^(rank|pairs)-")))' > docs/reward-generalisation.json\`; \`npm run schema\` writes this page from them.
`;
