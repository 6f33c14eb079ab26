import { describe, expect, it } from "vitest";
import { pipeline, warningsFor, type Members } from "./pipeline.js";

const stage = (name: string, members: Members) => warningsFor(pipeline((spec) => { Object.assign(spec.stages[name]!, members); }));

/** Tricks on vanilla PPO whose critic shares the reward's scale, so that nothing else is warned of. */
const mixture = (tricks: Members) => stage("ppo", { preset: "vanilla", critic: "rm", pretrainingData: undefined, tricks });

describe("a warning", () => {
  it("is given for nothing in a sound pipeline", () => {
    expect(warningsFor(pipeline())).toEqual([]);
  });

  it.each([
    [{ rewardNormalization: {}, valueClipping: {} }, "collapses near step 800"],
    [{ rewardNormalization: {}, valueClipping: {}, klPenalty: { coefficient: 0 } }, "collapses near step 800"],
    [{ rewardNormalization: {}, advantageNormalization: {} }, "rewardNormalization with advantageNormalization converged"],
    [{ rewardScaling: {}, advantageNormalization: { clip: 0.8 }, valueClipping: {} }, "rewardScaling with advantageNormalization and valueClipping converged"],
    [{ rewardScaling: {}, rewardNormalization: {} }, "are alternatives"],
    [{ entropyBonus: {} }, "advises against"],
    [{ groupInvariance: {} }, "nothing is weighed"],
  ])("names the mixture %j", (tricks, words) => {
    const warnings = mixture(tricks);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^ppo: /);
    expect(warnings[0]).toContain(words);
  });

  it.each([{}, { klPenalty: {} }, { rewardNormalization: {}, valueClipping: {}, klPenalty: {} }, { rewardScaling: {}, valueClipping: {} }, { klPenalty: {}, groupInvariance: {} }, { groupInvariance: { klWeight: "off" } }])("leaves %j alone", (tricks) => {
    expect(mixture(tricks)).toEqual([]);
  });

  it("tells of a policy without SFT", () => {
    expect(stage("ppo", { policy: "base" }).join()).toContain("comes from no sft stage");
    expect(stage("ppo", { policy: "tiny" }).join()).toContain("comes from no sft stage");
  });

  it("tells of filtered rollouts, by filter", () => {
    expect(stage("ppo", { topP: 0.9, repetitionPenalty: 1.1 }).join()).toContain("topP and repetitionPenalty filter the rollouts");
    expect(stage("critic", { topK: 5 }).join()).toContain("critic: topK filters the rollouts");
  });

  it("tells of a minibatch that is by default larger than what there is to divide", () => {
    expect(stage("critic", { rollouts: 8 }).join()).toContain("critic: `minibatch` is 32 by default and there are only 8 `rollouts`");
    expect(stage("ppo", { rollouts: 64, minibatch: 64 })).toEqual([]);
  });

  it("tells of ppo-max without a pretrained critic, and of a critic pretrained on another scale", () => {
    expect(stage("ppo", { critic: "rm" }).join()).toContain("means the critic to be pretrained");
    expect(stage("ppo", { tricks: { rewardNormalization: { clip: 0.3 } } }).join()).toContain("other settings of rewardNormalization");
  });

  it("tells of a judge that the candidate was trained against, unless gold judges", () => {
    const spec = pipeline(({ stages }) => { delete stages["eval"]!["gold"]; });
    expect(warningsFor(spec).join()).toContain("was trained against the judge `rm`");
  });

  it("tells of terms on another scale than those that they are compared with", () => {
    const server = { url: "https://scores.example" };
    expect(stage("ppo", { reward: { combine: "min", terms: ["rm", server] } })).toContainEqual(expect.stringContaining("1 of its 2 terms are not normalised while the others are"));
    for (const terms of [["rm", "rm"], ["rm", { ...server, normalize: { answers: 64 } }], [server, server]]) expect(stage("ppo", { reward: { combine: "min", terms } }).join()).not.toContain("normalised");
    expect(stage("ppo", { reward: ["rm", server] }).join()).not.toContain("normalised");
  });

  it("tells of examples that are the questions themselves, by name or by file", () => {
    const asked = (members: Members, path = "other.csv") => warningsFor(pipeline(({ data, stages }) => {
      data["quiz"] = { format: "multiple-choice", path: "quiz.csv" };
      data["examples"] = { format: "multiple-choice", path };
      stages["quiz-sft"] = { kind: "multiple-choice", model: "sft", questions: "quiz", ...members };
    })).filter((text) => text.startsWith("quiz-sft: "));
    expect(asked({ shots: "quiz" })).toEqual([expect.stringContaining("`shots` and `questions` are both `quiz`")]);
    expect(asked({ shots: "examples" }, "quiz.csv")).toEqual([expect.stringContaining("are of the same file")]);
    for (const members of [{}, { shots: "examples" }, { shots: "quiz", fewShot: 0 }]) expect(asked(members)).toEqual([]);
  });

  it("tells of data and models that no stage uses, and of cuda without a GPU", () => {
    const spec = pipeline(({ data, models, stages }) => {
      data["spare"] = { format: "text", path: "spare.txt" };
      models["spare-model"] = { ...models["tiny"] };
      stages["sft"]!["resources"] = { executionProviders: ["cuda"] };
    });
    expect(warningsFor(spec)).toEqual([
      expect.stringContaining("sft: asks for the provider cuda and for no GPU"), "data entry spare: no stage uses it", "model spare-model: no stage uses it",
    ]);
  });
});
