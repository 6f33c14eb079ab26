import { gpusText } from "../schemas/task-queue.js";
import { workersAtWork } from "../store/placement.js";
import { defineCommand, jsonOption } from "./command.js";
import { table } from "./output.js";
import { openStore } from "./store.js";

/** `trueline workers`: who is there, what they offer, what they do. */
export const workersCommand = defineCommand({
  name: "workers",
  summary: "list the workers of this home, what they offer and what they do",
  details: "Asks no server: workers say themselves that they live. Those of other hosts count as gone after a minute of silence.",
  examples: ["trueline workers", "trueline workers --json"],
  options: { json: jsonOption },
  async run({ options, output }) {
    const store = openStore();
    const work = await workersAtWork(store);
    const workers = (await store.workers.present()).map(({ process: { pid, host }, startedAt, queues, cpus, gpus, gpuMemory }) => {
      const doing = work.get(`${pid}@${host}`);
      return { pid, host, startedAt, queues, cpus, gpus, ...(gpuMemory !== undefined && { gpuMemory }), ...(doing && { doing }) };
    });
    if (options.json) output.json(workers);
    else if (workers.length === 0) output.note("No worker is there. Start one with: trueline worker");
    else output.data(table(["worker", "host", "processors", "GPUs", "queues", "does"], workers.map((worker) => [
      String(worker.pid), worker.host, String(worker.cpus), worker.gpus === 0 ? "" : gpusText(worker), worker.queues.join(" "),
      worker.doing === undefined ? "nothing" : `${worker.doing.run}/${worker.doing.stage}`,
    ])));
    return 0;
  },
});
