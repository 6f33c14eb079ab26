import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { renderChoiceReport } from "../reports/multiple-choice.js";
import { CHOICE_REPORT_FILE, choiceReportSchema } from "../schemas/choice-report.js";
import { nameOfInput } from "../schemas/plan.js";
import { PAGE_FILE } from "./evaluate.js";
import type { StageWork } from "./stage.js";

/** The work of a multiple-choice stage: what training/ measures, then a page of it. */
export function withChoicePage(work: StageWork): StageWork {
  return async (attempt, output) => {
    const end = await work(attempt, output);
    if ("gate" in end) return end;
    const { stage } = attempt.task;
    const report = choiceReportSchema.parse(JSON.parse(await readFile(join(output, CHOICE_REPORT_FILE), "utf8")));
    await writeFile(join(output, PAGE_FILE), renderChoiceReport(report, `${stage.name}: ${nameOfInput(stage.inputs["model"], "the model")}`), { flush: true });
    return end;
  };
}
