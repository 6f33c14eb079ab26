import { availableParallelism } from "node:os";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { bytesOf, memorySchema } from "../schemas/task-queue.js";
import { enterAddress } from "../temporal/connection.js";
import { leaveServer } from "../temporal/embedded.js";
import { startWorker } from "../temporal/worker.js";
import { defineCommand, jsonOption } from "./command.js";
import { wholeNumber } from "./numbers.js";
import { slotsOption } from "./run.js";
import { openStore } from "./store.js";

/** `trueline worker`: does stages until it is stopped. */
export const workerCommand = defineCommand({
  name: "worker",
  summary: "do stages until stopped",
  details: "Workers of a run share its TRUELINE_HOME. SIGTERM or Ctrl-C lets stages under way save a checkpoint, which\n"
    + "another worker continues from.",
  examples: ["trueline worker", "trueline worker --gpus 1", "trueline worker --no-modules", "TEMPORAL_ADDRESS=temporal.example:7233 trueline worker --only gpu --gpus 8 --gpu-memory 80GB"],
  options: {
    json: jsonOption, slots: slotsOption,
    only: { flags: "--only <kind>", summary: "take stages that need GPUs only, or such as need none: gpu or cpu (default: both)", schema: z.enum(["cpu", "gpu"]).optional() },
    cpus: { flags: "--cpus <number>", summary: `processors it offers (default: ${availableParallelism()})`, schema: wholeNumber(1, 10_000).default(availableParallelism()) },
    gpus: { flags: "--gpus <number>", summary: "GPUs it offers, to one stage at a time", schema: wholeNumber(0, 10_000).default(0) },
    modules: { flags: "--no-modules", summary: "run no JavaScript modules that specs name as reward", schema: z.boolean().default(true) },
    gpuMemory: { flags: "--gpu-memory <size>", summary: "memory of each of its GPUs, such as 80GB", schema: memorySchema.transform(bytesOf).optional() },
  },
  async run({ options: { json, ...resources }, output }) {
    if (resources.only === "gpu" && resources.gpus === 0) {
      throw new TruelineError("TL_USAGE", "A worker for stages that need GPUs alone has to have some.", { hint: "Say how many with --gpus." });
    }
    const { home } = openStore();
    const address = await enterAddress(home, output.note);
    const worker = await startWorker(home, address, resources, output.note);
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        output.note("Stopping: stages under way save a checkpoint.");
        worker.stop();
      });
    }
    if (json) output.json({ pid: process.pid, home, address: address.options.address, queues: worker.queues });
    else output.data(`Worker ${process.pid} listens on ${worker.queues.join(", ")} at ${address.options.address ?? ""} for ${home}.`);
    await worker.done;
    await leaveServer(home);
    return 0;
  },
});
