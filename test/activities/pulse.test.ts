import { expect, it, onTestFinished, vi } from "vitest";
import { Pulse } from "../../activities/pulse.js";

it("an attempt's pulse tells what it does at once and every second from then on, until it is stopped", () => {
  vi.useFakeTimers();
  onTestFinished(() => { vi.useRealTimers(); });
  const beats: string[] = [];
  const pulse = new Pulse("ppo", ({ stage, phase, step }) => beats.push(`${stage} ${phase} ${step}`));
  expect(beats).toEqual(["ppo starting 0"]);
  pulse.phase("loading policy");
  expect(beats).toEqual(["ppo starting 0", "ppo loading policy 0"]);
  pulse.update({ stage: "ppo", phase: "training", step: 3, of: 9, metrics: {}, checkpoint: 2 });
  expect(beats, "steps may be many a second").toHaveLength(2);
  vi.advanceTimersByTime(2500);
  expect(beats.slice(2)).toEqual(["ppo training 3", "ppo training 3"]);
  expect(pulse.checkpoint).toBe(2);
  pulse.stop();
  vi.advanceTimersByTime(5000);
  expect(beats).toHaveLength(4);
});
