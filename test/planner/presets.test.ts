import { describe, expect, it } from "vitest";
import { planOf, pipeline, stageOf, warningsFor, type Members } from "./pipeline.js";

function tricksOf(members: Members, stage = "ppo"): unknown {
  return stageOf(planOf(pipeline((spec) => { Object.assign(spec.stages[stage]!, members); })), stage).parameters["tricks"];
}

const gae = { lambda: 0.9, gamma: 1 };
const always = { clippedSurrogate: { range: 0.2 }, gradientClipping: { norm: 1 } };
const ppoMax = {
  klPenalty: { coefficient: 0.05 }, rewardNormalization: { clip: 0.8 }, valueClipping: { range: 0.2 }, gae, ...always,
  pretrainingLoss: { coefficient: 0.1, rows: 16, length: 64 },
};

describe("a preset", () => {
  it("is ppo-max where none is named", () => {
    expect(tricksOf({})).toEqual(ppoMax);
  });

  it("vanilla is GAE, clipped surrogate and gradient clipping alone", () => {
    expect(tricksOf({ preset: "vanilla" })).toEqual({ gae, ...always });
  });

  it("moss-rlhf-release is the released scripts", () => {
    expect(tricksOf({ preset: "moss-rlhf-release" })).toEqual({
      klPenalty: { coefficient: 0.01 }, rewardScaling: {}, valueClipping: { range: 0.2 }, gae: { lambda: 0.95, gamma: 1 }, ...always,
    });
  });

  it("gives its own value, not the schema's default, to members that an override leaves out", () => {
    expect(tricksOf({ preset: "moss-rlhf-release", tricks: { gae: { gamma: 0.99 }, klPenalty: {} } }))
      .toMatchObject({ gae: { lambda: 0.95, gamma: 0.99 }, klPenalty: { coefficient: 0.01 } });
  });

  it("is left for the schema's default by tricks that it does not have", () => {
    expect(tricksOf({ preset: "vanilla", tricks: { klPenalty: {}, entropyBonus: { coefficient: 0.02 } } }))
      .toEqual({ gae, ...always, klPenalty: { coefficient: 0.05 }, entropyBonus: { coefficient: 0.02, clip: 30 } });
  });

  it("loses what `false` turns off", () => {
    const { klPenalty: _, ...others } = ppoMax;
    expect(tricksOf({ tricks: { klPenalty: false, entropyBonus: false } })).toEqual(others);
  });

  it("of ppo-max has no pretraining loss without data, and a warning says so", () => {
    const spec = pipeline(({ stages }) => { delete stages["ppo"]!["pretrainingData"]; });
    expect(stageOf(planOf(spec), "ppo").parameters["tricks"]).not.toHaveProperty("pretrainingLoss");
    expect(warningsFor(spec).join()).toContain("names no `pretrainingData`: pretrainingLoss is off");
  });
});

describe("critic pretraining", () => {
  it("shapes rewards and returns as ppo-max does", () => {
    expect(tricksOf({}, "critic")).toEqual({ klPenalty: { coefficient: 0.05 }, rewardNormalization: { clip: 0.8 }, gae, gradientClipping: { norm: 1 } });
  });

  it("takes single tricks over that", () => {
    expect(tricksOf({ tricks: { klPenalty: { coefficient: 0.2 }, rewardNormalization: false, valueClipping: {} } }, "critic"))
      .toEqual({ klPenalty: { coefficient: 0.2 }, gae, gradientClipping: { norm: 1 }, valueClipping: { range: 0.2 } });
  });
});
