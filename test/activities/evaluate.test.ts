import { Context } from "@temporalio/activity";
import { MockActivityEnvironment } from "@temporalio/testing";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { withReport } from "../../activities/evaluate.js";
import { attemptStage } from "../../activities/stage.js";
import { REPORT_FILE } from "../../schemas/report.js";
import { exampleReport } from "../reports/examples.js";
import { outcome } from "./outcome.js";
import { emptyStore, planOf, plannedStage } from "../store/home.js";

const stage = plannedStage("eval", [], "evaluate");

/** The artifact that a run's evaluation leaves in an empty store, and its page. */
async function evaluated(run: string): Promise<{ readonly artifact: string; readonly page: string }> {
  const store = emptyStore();
  await store.runs.create(run, planOf(stage), "someone");
  const work = withReport(async ({ started }, output) => {
    await started();
    await writeFile(join(output, REPORT_FILE), JSON.stringify(exampleReport()));
    return { figures: {} };
  });
  const { artifact } = outcome(await new MockActivityEnvironment().run(() =>
    attemptStage(store, Context.current(), { run, stage, artifacts: {} }, "report", work)));
  return { artifact, page: await readFile(join(store.artifacts.directory(artifact), "report.html"), "utf8") };
}

it("two runs that measure the same leave the same report, byte for byte: it names no run", async () => {
  const [first, second] = [await evaluated("first-20260101-abcdef"), await evaluated("second-20260102-ghijkm")];
  expect(second).toEqual(first);
  expect(first.page).toContain("<title>eval: candidate against baseline</title>");
});
