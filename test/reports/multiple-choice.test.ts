import { expect, it } from "vitest";
import { renderChoiceReport } from "../../reports/multiple-choice.js";
import type { ChoiceReport } from "../../schemas/choice-report.js";

const score = (value: number, normalized?: number) => ({
  questions: 40, accuracy: { value, low: value - 0.1, high: value + 0.1 }, chance: 0.25,
  ...(normalized !== undefined && { normalizedAccuracy: { value: normalized, low: normalized - 0.1, high: normalized + 0.1 } }),
});
const report: ChoiceReport = {
  version: 1, scoring: "text", form: "plain", fewShot: 3, fewerShots: 7, tooLong: 2, intervals: "In these words.",
  overall: score(0.5, 0.6), groups: [{ tags: { language: "zh" }, ...score(0.4, 0.3) }], subjects: [{ subject: "<law>", ...score(0.7, 0.8) }],
};

it("a page of multiple choice has every accuracy with its interval beside what guessing gets, and says how it was measured", () => {
  const page = renderChoiceReport(report, "facts: ppo");
  expect(page).toContain("<b>50 %</b> of 40 questions (95 % interval 40 to 60 %); guessing gets 25 %");
  expect(page).toContain("zh</th><td class=\"number\">40</td><td>40 % <small>30 to 50 %</small></td><td>30 % <small>20 to 40 %</small></td><td>25 %</td>");
  expect(page).toContain("&lt;law&gt;</th><td class=\"number\">40</td><td>70 %");
  for (const words of ["likeliest choice", "Up to 3 examples", "before 7 there were fewer", "2 questions were longer", "In these words."]) expect(page).toContain(words);
  expect(renderChoiceReport({ ...report, scoring: "letter", form: "chat", fewShot: 0, tooLong: 0, overall: score(0.5) }, "t")).toMatch(/likeliest of their letters\. Questions are turns in the chat template\. No examples/);
});
