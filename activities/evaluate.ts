import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StageCurves } from "../reports/curves.js";
import { renderReport } from "../reports/report.js";
import { nameOfInput } from "../schemas/plan.js";
import { parseMetrics, REPORT_FILE, reportSchema } from "../schemas/report.js";
import { chatModelOf } from "../schemas/stages/evaluate.js";
import { readIfThere } from "../store/files.js";
import { METRICS_FILE } from "../training/loop.js";
import { checkWhole } from "./inputs.js";
import type { Attempt, StageWork } from "./stage.js";

export const PAGE_FILE = "report.html";

/** The work of an evaluation: what training/ measures, then a page of it, with the curves of the stages it rests on. */
export function withReport(work: StageWork): StageWork {
  return async (attempt, output) => {
    const end = await work(attempt, output);
    if ("gate" in end || "rung" in end) return end;
    attempt.pulse.phase("drawing the report");
    const { stage } = attempt.task;
    const nameOf = (side: string) => nameOfInput(stage.inputs[side], (side === "baseline" ? chatModelOf(stage.parameters) : undefined) ?? side);
    const report = reportSchema.parse(JSON.parse(await readFile(join(output, REPORT_FILE), "utf8")));
    const page = renderReport(report, await curvesBefore(attempt), {
      title: `${stage.name}: ${nameOf("candidate")} against ${nameOf("baseline")}`,
      names: { candidate: nameOf("candidate"), baseline: nameOf("baseline") },
    });
    await writeFile(join(output, PAGE_FILE), page, { flush: true });
    return end;
  };
}

/** Metrics of every finished stage that the evaluated model comes from, the nearest first. */
async function curvesBefore(attempt: Attempt): Promise<StageCurves[]> {
  const { task: { run, stage }, store } = attempt;
  const { stages } = await store.runs.plan(run);
  const before = new Set<string>(stage.after);
  // Plans list stages after those they need.
  for (const each of [...stages].reverse()) if (before.has(each.name)) for (const name of each.after) before.add(name);
  const curves: StageCurves[] = [];
  for (const { name, kind, key } of [...stages].reverse().filter((each) => before.has(each.name))) {
    const result = await store.results.find(key);
    if (result === undefined) continue;
    const text = await readIfThere(join(store.artifacts.directory(result.artifact), METRICS_FILE));
    if (text === undefined) continue;
    await checkWhole(attempt, name, result.artifact, METRICS_FILE);
    curves.push({ stage: name, kind, metrics: parseMetrics(text, METRICS_FILE) });
  }
  return curves;
}
