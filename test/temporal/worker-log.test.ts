import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { quietLog } from "../../temporal/worker-log.js";

it("a worker's console has a plain line for each thing, once that the server does not answer; its log has all", async () => {
  const home = await mkdtemp(join(tmpdir(), "trueline-worker-log-"));
  onTestFinished(() => rm(home, { recursive: true }));
  const path = join(home, "logs", "worker-1.log");
  const said: string[] = [];
  const { logger } = quietLog(path, (text) => said.push(text));
  for (const times of [6, 7, 8]) logger?.warn(`gRPC call poll_workflow_task_queue retried ${times} times`, { target: "temporalio_client::retry", error: "tcp connect error" });
  logger?.warn("Activity failed", { error: new Error("loss is NaN\nat once"), activityType: "sft" });
  logger?.info("nothing to speak of");
  expect(said).toEqual([
    `The Temporal server does not answer; this worker tries again until it does. (${path})`,
    `Temporal: Activity failed: loss is NaN (${path})`,
  ]);
  const log = await readFile(path, "utf8");
  for (const detail of ["retried 8 times", "tcp connect error", "worker-log.test.ts:", "activityType: 'sft'"]) expect(log).toContain(detail);
});

it("a home without room for the log stops nothing", () => {
  const said: string[] = [];
  quietLog("/dev/null/logs/worker-1.log", (text) => said.push(text)).logger?.warn("slow");
  expect(said).toHaveLength(1);
});
