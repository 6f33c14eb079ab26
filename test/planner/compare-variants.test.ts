import { expect, it } from "vitest";
import type { Side } from "../../planner/compare.js";
import { compareVariants } from "../../planner/compare-variants.js";
import { plannedStage } from "../store/home.js";
import { soundPlan } from "../store/life.js";

/** A side whose variants have a stage `ppo` each, with the keys and artifacts given; no artifact: it has not finished. */
function side(label: string, stages: Readonly<Record<string, readonly [key: string, artifact?: string]>>): Side {
  const planned = Object.entries(stages).map(([name, [key]]) => ({ ...plannedStage(`ppo.${name}`, [], "ppo"), key }));
  return {
    label, entries: [], results: new Map(Object.entries(stages).map(([name, [, artifact]]) => [`ppo.${name}`, { artifact, figures: {}, metrics: [] }])),
    plan: { ...soundPlan(label, ...planned), sweep: { variants: Object.keys(stages).map((name) => ({ name, seed: "", settings: {}, stages: { ppo: `ppo.${name}` } })) } },
  };
}

it("variants are the same by key, or by the bytes of what both have finished", () => {
  const before = side("a", { keys: ["k"], bytes: ["k1", "x"], other: ["k2", "x"], open: ["k3"], gone: ["k4"] });
  const now = side("b", { keys: ["k"], bytes: ["l1", "x"], other: ["l2", "y"], open: ["l3"], fresh: ["k4"] });
  expect(compareVariants(before, now)).toEqual([
    { name: "keys", standing: "same", changed: [] }, { name: "bytes", standing: "same", changed: [] },
    { name: "other", standing: "differs", changed: ["ppo"] }, { name: "open", standing: "differs", changed: ["ppo"] },
    { name: "gone", standing: "one", only: "before", changed: [] }, { name: "fresh", standing: "one", only: "now", changed: [] },
  ]);
});
