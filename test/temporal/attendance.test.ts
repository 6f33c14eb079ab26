import { describe, expect, it } from "vitest";
import { taskQueueFor } from "../../schemas/task-queue.js";
import { queuesWithoutGpus, unattendedQueues, unattendedText } from "../../temporal/attendance.js";
import { emptyStore } from "../store/home.js";
import { elsewhere, offer, recorded } from "../store/offers.js";

const stage = (gpus: number, memory?: string) => {
  const resources = { gpus, ...(memory !== undefined && { memory }) };
  return { resources, taskQueue: taskQueueFor(resources) };
};

describe("stages that no worker can do", () => {
  it("are those that ask for GPUs which no single worker has, each queue once", async () => {
    const store = emptyStore();
    expect(await queuesWithoutGpus(store, [stage(0), stage(1), stage(1), stage(4, "40GB")])).toEqual(["trueline-gpu-1", "trueline-gpu-4x40GB"]);
    await recorded(store, offer({ gpus: 2, gpuMemory: 80e9 }, elsewhere(1)));
    await recorded(store, offer({ gpus: 2, gpuMemory: 24e9 }, elsewhere(2)));
    expect(await queuesWithoutGpus(store, [stage(0), stage(2, "40GB"), stage(4), stage(2, "500MB")])).toEqual(["trueline-gpu-4"]);
  });

  it("are all of them, whatever they need, while nobody asks for work on the common queue", async () => {
    const store = emptyStore();
    const asked: string[] = [];
    const server = (listeners: readonly string[]) => ({ listeners: (queue: string) => { asked.push(queue); return Promise.resolve([...listeners]); } });
    expect(await unattendedQueues(store, [stage(0), stage(1)], server([]))).toEqual(["trueline-cpu", "trueline-gpu-1"]);
    expect(await unattendedQueues(store, [stage(1)], server([])), "the workflows are there").toEqual(["trueline-cpu", "trueline-gpu-1"]);
    expect(await unattendedQueues(store, [stage(0), stage(1)], server(["1@host"]))).toEqual(["trueline-gpu-1"]);
    await recorded(store, offer({ gpus: 1 }, elsewhere(1)));
    expect(await unattendedQueues(store, [stage(0), stage(1)], server(["1@host"]))).toEqual([]);
    expect(new Set(asked)).toEqual(new Set(["trueline-cpu"]));
  });

  it("are told of with what is there and what would do them", () => {
    const [two, none] = [offer({ gpus: 2, gpuMemory: 80e9 }, elsewhere(1)), offer({ gpus: 0 }, elsewhere(2))];
    const stages = [stage(0), stage(4, "40GB")];
    expect(unattendedText("trueline-gpu-4x40GB", stages, [two, none]))
      .toBe("No worker offers 4 GPUs with 40GB each (there: 2 GPUs with 80GB each on elsewhere): start one with `trueline worker --gpus 4 --gpu-memory 40GB`.");
    expect(unattendedText("trueline-gpu-4x40GB", stages, [none])).toBe("No worker offers 4 GPUs with 40GB each: start one with `trueline worker --gpus 4 --gpu-memory 40GB`.");
    expect(unattendedText("trueline-cpu", stages)).toBe("No worker is there: start one with `trueline worker`.");
  });
});
