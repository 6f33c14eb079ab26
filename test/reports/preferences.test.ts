import { describe, expect, it } from "vitest";
import { renderPreferences } from "../../reports/preferences.js";
import { renderRewardAccuracy } from "../../reports/reward-accuracy.js";
import type { PreferencesPart, PreferencesReport } from "../../schemas/preferences-report.js";
import type { AccuracyReport } from "../../schemas/reward-accuracy-report.js";

const interval = (value: number) => ({ value, low: value - 0.1, high: value + 0.1 });
const part: PreferencesPart = {
  prompts: 40, answers: { count: 160, score: 0.5, scoreStd: 0.2, length: 12, unfinished: 0.1 }, pairs: 90, unpaired: 7, close: 31, alike: 11, flipped: 4,
  chosen: { score: 0.75, length: 14, unfinished: 0.02 }, rejected: { score: 0.25, length: 10, unfinished: 0.18 }, longer: interval(0.62), agreement: interval(0.86),
};
const report: PreferencesReport = {
  version: 1, judge: "reward-model", margin: 0.05, most: 3, noise: 0.04,
  sampling: { samples: 4, temperature: 0.8, topP: 1, topK: 0, repetitionPenalty: 1, maxNewTokens: 48, seed: 7 },
  intervals: "In these words.", train: part, heldOut: { ...part, prompts: 9, pairs: 21, flipped: 0 }, groups: [{ tag: "language", value: "zh", ...part, pairs: 33 }],
  examples: [{ prompt: [{ role: "user", content: "Where is <the> lamp?" }], chosen: "In the hall.", rejected: "Who knows.", score_chosen: 0.9, score_rejected: 0.1, tags: { language: "en" } }],
};

describe("a page of preference pairs", () => {
  it("says how many there are on each side, what they are like, and how they were made", () => {
    const page = renderPreferences(report, "pairs: answers of sft");
    expect(page).toContain("<b>90</b> pairs of answers to 40 prompts, and <b>21</b> to 9 held-out prompts, labelled by the reward model");
    for (const cell of ["<td>7</td><td>31</td><td>11</td>", "90 <small>4 flipped</small>", "0.75 against 0.25", "14.0 against 10.0", "2 % against 18 %", "62 % <small>52 to 72 %</small>", "86 % <small>76 to 96 %</small>"]) expect(page).toContain(cell);
    expect(page).toContain("language zh</th><td>40</td><td>33 ");
    expect(page).toContain("Where is &lt;the&gt; lamp?");
    expect(page).toContain("4 answers to each prompt: temperature 0.8");
    expect(page).toContain("4 % of the training labels were to be flipped. In these words.");
    expect(page).not.toContain("class=\"warning\"");
  });

  it("warns where length alone explains the labels, and where mainly cut answers were rejected", () => {
    const warned = (change: Partial<PreferencesPart>) => renderPreferences({ ...report, train: { ...part, ...change } }, "t").match(/class="warning">([^<]*)/)?.[1];
    expect(warned({ longer: interval(0.85) })).toContain("The longer answer is preferred in 85 %");
    expect(warned({ longer: interval(0.15) })).toContain("The shorter answer is preferred in 85 %");
    expect(warned({ rejected: { score: 0, length: 9, unfinished: 0.5 } })).toContain("50 % of the rejected answers were cut at maxNewTokens, of the chosen ones 2 %");
  });
});

it("a page of a reward model's accuracy has every set with its interval, its tags and its histogram", () => {
  const ranked = { pairs: 40, prompts: 20, accuracy: interval(0.7), longer: interval(0.6) };
  const accuracy: AccuracyReport = {
    version: 1, intervals: "In these words.", tooLong: 2, overall: { ...ranked, pairs: 80 },
    sets: ["own", "<other>"].map((name) => ({ ...ranked, name, groups: [{ tag: "language", value: "zh", ...ranked, accuracy: interval(0.5) }], differences: [-1, 0.5, 2] })),
  };
  const page = renderRewardAccuracy(accuracy, "rank: what rm prefers");
  expect(page).toContain("<b>70 %</b> of 80 held-out pairs (95 % interval 60 to 80 %); chance is 50 %");
  expect(page).toContain("&lt;other&gt;</th><td class=\"number\">40</td><td class=\"number\">20</td><td>70 % <small>60 to 80 %</small></td><td>60 % <small>50 to 70 %</small></td>");
  expect(page).toContain("language</span> zh</th>");
  expect(page.match(/<svg/g)).toHaveLength(2);
  expect(page).toContain("2 pairs were longer than the context and not ranked. In these words.");
});
