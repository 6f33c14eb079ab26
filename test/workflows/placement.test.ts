import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { planOf, plannedStage } from "../store/home.js";
import { Stand } from "./stand.js";

let stand: Stand;
beforeAll(async () => { stand = await Stand.start(); }, 20 * 60_000);
afterAll(() => stand.end());
beforeEach(() => { stand.log.length = 0; });

const onGpus = (name: string, gpus: number) => ({ ...plannedStage(name, [], "done"), resources: { gpus }, taskQueue: `trueline-gpu-${gpus}` });

describe("a stage that needs GPUs", () => {
  it("waits while no worker has them, goes to one that has more, and holds up nothing else", async () => {
    const run = await stand.submit(planOf(onGpus("big", 2), plannedStage("small", [], "done")));
    await stand.until(run.workflowId, "small ends");
    await sleep(1000);
    expect(stand.log).not.toContain("big begins after nothing");
    const end = await stand.offerGpus(4);
    await run.result();
    expect(stand.log).toContain("trueline-gpu-4: big ends");
    const { events } = await run.fetchHistory();
    const sent = events!.flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => (scheduled?.activityId === "big" ? [scheduled.taskQueue?.name] : []));
    expect(new Set(sent), "it was sent nowhere while nobody had them").toEqual(new Set(["trueline-gpu-4"]));
    await end();
  });

  it("goes elsewhere when the workers it was sent to do not take it", async () => {
    const withdraw = await stand.store.workers.register({ queues: ["trueline-gpu-8"], cpus: 1, gpus: 8 });
    const run = await stand.submit(planOf(onGpus("big", 8)));
    await sleep(2500);
    expect(stand.log).toEqual([]);
    await withdraw();
    const end = await stand.offerGpus(9);
    await run.result();
    expect(stand.log).toContain("trueline-gpu-9: big ends");
    await end();
  });

  it("is cancelled while it waits for a worker", async () => {
    const run = await stand.submit(planOf(onGpus("big", 64)));
    await sleep(1500);
    await run.cancel();
    await expect(run.result()).rejects.toThrow();
    expect(await stand.events(run.workflowId)).toEqual([{ type: "run-cancelled" }]);
  });
});
