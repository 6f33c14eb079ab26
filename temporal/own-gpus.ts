import { TruelineError } from "../foundation/errors.js";
import { bytesOf, memorySchema, type Gpus } from "../schemas/task-queue.js";

/** The GPUs that the worker of `run` and `resume` offers: TRUELINE_GPUS of TRUELINE_GPU_MEMORY each. Errors: TL_USAGE. */
export function gpusFrom({ TRUELINE_GPUS: gpus = "0", TRUELINE_GPU_MEMORY: memory }: Readonly<NodeJS.ProcessEnv>): Gpus {
  if (!/^\d{1,4}$/.test(gpus)) throw new TruelineError("TL_USAGE", `TRUELINE_GPUS is ${JSON.stringify(gpus)}, which is no whole number.`);
  if (memory === undefined || memory === "") return { gpus: Number(gpus) };
  if (!memorySchema.safeParse(memory).success) throw new TruelineError("TL_USAGE", `TRUELINE_GPU_MEMORY is ${JSON.stringify(memory)}; it takes a number with MB or GB, such as 80GB.`);
  return { gpus: Number(gpus), gpuMemory: bytesOf(memory) };
}
