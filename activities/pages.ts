import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { renderChoiceReport } from "../reports/multiple-choice.js";
import { renderPreferences } from "../reports/preferences.js";
import { renderRewardAccuracy } from "../reports/reward-accuracy.js";
import { choiceReportSchema } from "../schemas/choice-report.js";
import { nameOfInput, type PlannedStage } from "../schemas/plan.js";
import { preferencesReportSchema } from "../schemas/preferences-report.js";
import { REPORT_FILE } from "../schemas/report.js";
import { accuracyReportSchema } from "../schemas/reward-accuracy-report.js";
import { PAGE_FILE } from "./evaluate.js";
import type { StageWork } from "./stage.js";

/** The work of a stage that leaves a report: what training/ measures, then a page of it. */
function withPage<Schema extends z.ZodType>(schema: Schema, render: (report: z.output<Schema>, title: string) => string, titleOf: (stage: PlannedStage) => string) {
  return (work: StageWork): StageWork => async (attempt, output) => {
    const end = await work(attempt, output);
    if ("gate" in end || "rung" in end) return end;
    const { stage } = attempt.task;
    const report = schema.parse(JSON.parse(await readFile(join(output, REPORT_FILE), "utf8")));
    await writeFile(join(output, PAGE_FILE), render(report, `${stage.name}: ${titleOf(stage)}`), { flush: true });
    return end;
  };
}

export const withChoicePage = withPage(choiceReportSchema, renderChoiceReport, ({ inputs }) => nameOfInput(inputs["model"], "the model"));
export const withPreferencesPage = withPage(preferencesReportSchema, renderPreferences, ({ inputs }) => `answers of ${nameOfInput(inputs["policy"], "the policy")}`);
export const withAccuracyPage = withPage(accuracyReportSchema, renderRewardAccuracy, ({ inputs }) => `what ${nameOfInput(inputs["reward"], "the reward model")} prefers`);
