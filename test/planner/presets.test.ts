import { describe, expect, it } from "vitest";
import { stageBatches } from "../../planner/batches.js";
import { ppoDetails } from "../../planner/details.js";
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

  const criticless = (members: Members) => (spec: ReturnType<typeof pipeline>): void => {
    delete spec.stages["ppo"]!["critic"];
    Object.assign(spec.stages["ppo"]!, members);
  };

  it("rloo measures each answer against the prompt's others, as a whole, with the KL in the reward", () => {
    const { parameters } = stageOf(planOf(pipeline(criticless({ preset: "rloo" }))), "ppo");
    expect(parameters["tricks"]).toEqual({
      klPenalty: { coefficient: 0.05 }, ...always, groupBaseline: { samples: 4, baseline: "leave-one-out", scale: false }, sequenceRatio: {},
    });
    expect(parameters).not.toHaveProperty("criticLearningRate");
  });

  it("rloo tells of its prompts, of no critic, and of a policy that DPO has trained since SFT", () => {
    const plan = planOf(pipeline((spec) => {
      criticless({ preset: "rloo", policy: "dpo" })(spec);
      spec.stages["dpo"] = { kind: "dpo", policy: "sft", data: "hh" };
    }));
    expect(stageBatches(plan).find(({ stage }) => stage === "ppo")!.words)
      .toContain("64 answers, 4 to each of the next 16 prompts, and goes over them once in minibatches of 32: 2 updates of the policy; 80 steps");
    const details = new Map(ppoDetails(plan)[0]!.details.map(({ name, ...rest }) => [name, rest]));
    expect(details.get("critic initialised from the reward model")).toMatchObject({ on: false, setting: "no critic" });
    expect(details.get("policy initialised from SFT")).toMatchObject({ on: true, setting: "from dpo" });
    expect(details.get("baseline from the prompt's other answers")).toMatchObject({ on: true, setting: "samples 4, baseline leave-one-out, scale false" });
  });

  it("grpo measures it against the group's mean in deviations, with the KL in the loss and answers weighing alike", () => {
    expect(stageOf(planOf(pipeline(criticless({ preset: "grpo" }))), "ppo").parameters["tricks"]).toEqual({
      ...always, groupBaseline: { samples: 4, baseline: "mean", scale: true }, klLoss: { coefficient: 0.04 }, lossAggregation: { mode: "answer-mean" },
    });
  });

  it("holds a policy to the reference in one place; in two, a warning says so", () => {
    expect(warningsFor(pipeline(criticless({ preset: "grpo", tricks: { klPenalty: {} } }))).join()).toContain("klPenalty and klLoss both hold");
    expect(warningsFor(pipeline(criticless({ preset: "grpo" }))).join()).not.toContain("klLoss");
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
