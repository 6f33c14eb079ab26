import { describe, expect, it } from "vitest";
import type { StageState } from "../../schemas/task.js";
import { Halving } from "../../workflows/halving.js";
import { plannedStage } from "../store/home.js";

const seeds = ["1", "2"];
const names = ["a", "b", "c"];
type Members = { readonly keep?: number; readonly goal?: "maximize" | "minimize"; readonly steps?: number };

/** Three variants of two seeds each; rungs at 10 and 20 of 30 steps. */
function contest({ keep = 0.5, goal = "maximize", steps = 30 }: Members = {}, only?: readonly string[]) {
  const stages = names.flatMap((name) => seeds.map((seed) => ({ ...plannedStage(`ppo.${name}.s${seed}`, [], "ppo"), parameters: { steps } })));
  const variants = names.flatMap((name) => seeds.map((seed) => ({ name, seed, settings: {}, stages: { ppo: `ppo.${name}.s${seed}` } })));
  const halving = { stage: "ppo", metric: "m", goal, every: 10, keep };
  return new Halving({ stages, sweep: { variants, halving } }, only);
}
const arriveAll = (halving: Halving, values: Readonly<Record<string, readonly (number | null)[]>>) => {
  for (const [name, all] of Object.entries(values)) for (const [index, value] of all.entries()) halving.arrive(`ppo.${name}.s${index + 1}`, value);
};
const view = (states: Readonly<Record<string, StageState>> = {}) => states;

describe("a rung", () => {
  it("is decided when all have come, by the mean over the seeds of a variant", () => {
    const halving = contest();
    arriveAll(halving, { a: [0.1, 0.9], b: [0.4, 0.4] });
    expect(halving.decide(view())).toBeUndefined();
    arriveAll(halving, { c: [0.2, 0.2] });
    const decision = halving.decide(view())!;
    expect(decision).toMatchObject({ step: 10, kept: [{ variant: "a", value: 0.5 }, { variant: "b", value: 0.4 }], ended: [{ variant: "c", value: 0.2 }] });
    expect(decision.stopped.map(({ stage }) => stage)).toEqual(["ppo.c.s1", "ppo.c.s2"]);
    expect(halving.apply(decision)).toEqual(["ppo.a.s1", "ppo.a.s2", "ppo.b.s1", "ppo.b.s2"]);
    expect(halving.decide(view()), "nobody has come to the next").toBeUndefined();
    expect(halving.rungOf("ppo.a.s1")).toEqual({ step: 20, metric: "m" });
  });

  it("keeps the least where the goal is to minimise, and always at least one", () => {
    const halving = contest({ goal: "minimize", keep: 0.1 });
    arriveAll(halving, { a: [3, 3], b: [1, 1], c: [2, 2] });
    expect(halving.decide(view())?.kept).toEqual([{ variant: "b", value: 1 }]);
  });

  it("waits for no stage that has failed, is blocked or is finished; a finished one takes nobody's place", () => {
    const halving = contest();
    arriveAll(halving, { a: [1, 1] });
    halving.arrive("ppo.b.s1", 2);
    expect(halving.decide(view({ "ppo.c.s1": "finished", "ppo.c.s2": "finished" }))).toBeUndefined();
    const decision = halving.decide(view({ "ppo.b.s2": "failed", "ppo.c.s1": "finished", "ppo.c.s2": "blocked" }))!;
    expect(decision).toMatchObject({ kept: [{ variant: "b", value: 2 }], ended: [{ variant: "a", value: 1 }] });
    expect(decision.stopped.map(({ stage }) => stage)).toEqual(["ppo.a.s1", "ppo.a.s2"]);
  });

  it("puts what is no number last", () => {
    const halving = contest({ keep: 0.6 });
    arriveAll(halving, { a: [null, null], b: [-9, -9], c: [-8, null] });
    expect(halving.decide(view())).toMatchObject({ kept: [{ variant: "c", value: -8 }, { variant: "b" }], ended: [{ variant: "a" }] });
    const least = contest({ goal: "minimize" });
    arriveAll(least, { a: [5, 5], b: [null, null], c: [4, 4] });
    expect(least.decide(view())).toMatchObject({ kept: [{ variant: "c" }, { variant: "a" }], ended: [{ variant: "b" }] });
  });

  it("stops no stage that a variant which goes on shares", () => {
    const stages = ["ppo", "ppo.c"].map((name) => ({ ...plannedStage(name, [], "ppo"), parameters: { steps: 30 } }));
    const variants = [["a", "ppo"], ["b", "ppo"], ["c", "ppo.c"]].map(([name, stage]) => ({ name: name!, seed: "", settings: {}, stages: { ppo: stage! } }));
    const halving = new Halving({ stages, sweep: { variants, halving: { stage: "ppo", metric: "m", goal: "maximize", every: 10, keep: 0.3 } } });
    halving.arrive("ppo", 2);
    halving.arrive("ppo.c", 1);
    expect(halving.decide(view())).toMatchObject({ kept: [{ variant: "a" }], ended: [{ variant: "b" }, { variant: "c" }], stopped: [{ stage: "ppo.c" }] });
  });

  it("is none behind a stage's end, and none for stages that are no contenders", () => {
    expect(contest({ steps: 10 }).rungOf("ppo.a.s1")).toBeUndefined();
    expect(contest().rungOf("eval.a")).toBeUndefined();
    expect(contest({}, ["ppo.a.s1"]).rungOf("ppo.b.s1")).toBeUndefined();
  });

  it("is not come back to by a later attempt, which stops what was stopped, unless it has another key now", () => {
    const halving = contest();
    const key = plannedStage("ppo.c.s1").key;
    expect(halving.restore({ step: 10, stopped: [{ stage: "ppo.c.s1", key }, { stage: "ppo.a.s1", key: "of an earlier plan" }] })).toEqual(["ppo.c.s1"]);
    expect(halving.rungOf("ppo.a.s1")).toEqual({ step: 20, metric: "m" });
  });
});
