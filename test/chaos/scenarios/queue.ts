import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { newRunId, recordSubmission } from "../../../cli/submission.js";
import { createPlan } from "../../../planner/plan.js";
import { presentPipelines } from "../../../temporal/observe.js";
import { eventsOf } from "../outcome.js";
import type { Place } from "../place.js";
import { must, mustEqual, type Scenario } from "../scenario.js";

const different = 190;
const same = 20;

export const queue: Scenario = {
  name: "queue",
  does: `Submits ${different} runs of one small stage, each with a vocabulary of its own, and ${same} more with one vocabulary, to a single worker at once.`,
  holds: "Every run finishes, none is lost or done twice, and what is the same is computed once.",
  async run(ground) {
    const place = await ground.place("queue");
    const server = place.start("server");
    await place.until("a server", async () => place.processes("server").length > 0 && server.child.exitCode === null);
    const sizes = [...Array.from({ length: different }, (_, index) => 301 + index), ...Array.from({ length: same }, () => 300)];
    const began = performance.now();
    const runs = await submitAll(place, ground.random("order").shuffled(sizes));
    const submitted = (performance.now() - began) / 1000;
    const worker = place.start("worker", "--slots", "2");
    const started = performance.now();
    await place.until("the last of the runs", async () => {
      must(worker.child.exitCode === null, "the worker has ended");
      return (await Promise.all(runs.map(({ id }) => hasFinished(place, id)))).every(Boolean);
    });
    const minutes = (performance.now() - started) / 60_000;
    const computed = (await Promise.all(runs.map(async ({ id }) => (await eventsOf(place, id, "stage-finished")).length))).reduce((sum, each) => sum + each, 0);
    mustEqual(computed, different + 1, "stages computed");
    for (const { id } of runs) mustEqual(await place.store.ledger.verify(id), [], `the ledger of ${id}`);
    return {
      runs: runs.length, "stages computed": computed, "runs a minute": Math.round(runs.length / minutes), "seconds to submit": Math.round(submitted),
      "worker's peak memory in MB": peakMemory(worker.child.pid!), "bytes of a ledger": statSync(join(place.home, "ledger", `${runs[0]!.id}.jsonl`)).size,
    };
  },
};

/** As `trueline submit` does, in this process: two hundred programs to start would be what is measured. */
async function submitAll(place: Place, sizes: readonly number[]): Promise<{ readonly id: string }[]> {
  const pipelines = await place.until("the server's answer", () => presentPipelines(place.home));
  const runs: { id: string }[] = [];
  for (const vocabulary of sizes) {
    await place.write("spec.json", {
      version: 1, name: "queued", seed: 5, data: { documents: { format: "text", path: "sample/documents.jsonl.gz", holdout: 0.1 } },
      stages: { bpe: { kind: "tokenizer", data: "documents", vocabulary } },
    });
    const plan = await createPlan(join(place.directory, "spec.json"), { allowPaths: [] });
    const id = newRunId(plan.name);
    await recordSubmission(place.store, id, plan);
    await pipelines.start({ run: id, plan });
    runs.push({ id });
  }
  await pipelines.close();
  return runs;
}

async function hasFinished(place: Place, run: string): Promise<boolean> {
  return (await place.store.ledger.read(run)).at(-1)?.event.type === "run-finished";
}

function peakMemory(pid: number): number {
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1000);
}
