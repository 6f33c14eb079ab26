import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { renderPreferences } from "../reports/preferences.js";
import { nameOfInput } from "../schemas/plan.js";
import { PREFERENCES_REPORT_FILE, preferencesReportSchema } from "../schemas/preferences-report.js";
import { PAGE_FILE } from "./evaluate.js";
import type { StageWork } from "./stage.js";

/** The work of a preferences stage: the pairs that training/ makes, then a page about them. */
export function withPreferencesPage(work: StageWork): StageWork {
  return async (attempt, output) => {
    const end = await work(attempt, output);
    if ("gate" in end || "rung" in end) return end;
    const { stage } = attempt.task;
    const report = preferencesReportSchema.parse(JSON.parse(await readFile(join(output, PREFERENCES_REPORT_FILE), "utf8")));
    await writeFile(join(output, PAGE_FILE), renderPreferences(report, `${stage.name}: answers of ${nameOfInput(stage.inputs["policy"], "the policy")}`), { flush: true });
    return end;
  };
}
