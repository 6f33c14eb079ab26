import { describe, expect, it } from "vitest";
import { meant, nearest, suggestion } from "../../foundation/suggest.js";

describe("a name that is not known", () => {
  it.each([
    ["klPenality", "klPenalty"], ["reward_modle", "reward-model"], ["sede", "seed"], ["PPO", "ppo"], ["pop", "ppo"], ["bp", "bpe"], ["polcy", "policy"],
  ])("%s is taken for %s", (wrong, meant) => {
    expect(nearest(wrong, ["sft", "eval", meant, "generation"])).toBe(meant);
  });

  it.each(["abc", "dpo2", "gold", "a", "evil-twin", "rows"])("%s is taken for none that shares few letters with it", (wrong) => {
    expect(nearest(wrong, ["bpe", "sft", "eval", "data", "rm"])).toBeUndefined();
  });

  it("is answered with the names that there are, where none is near and they are few", () => {
    expect(suggestion("abc", ["sft", "ppo", "sft"])).toBe("known: `sft`, `ppo`");
    expect(suggestion("abc", Array.from({ length: 13 }, (_, index) => `long-name-${index}`))).toBeUndefined();
    expect(suggestion("ppp", ["sft", "ppo"])).toBe("did you mean `ppo`?");
  });

  it.each([
    ["batchSize", "did you mean `batch`?"], ["learningRate", "did you mean `policyLearningRate` or `criticLearningRate`?"], ["eval", "did you mean `evaluate`?"], ["lr", "did you mean `learning-rate`?"], ["rm", "did you mean `reward-model`?"],
  ])("%s is answered with what holds it, is held in it, or has its letters for initials", (wrong, answer) => {
    const known = ["batch", "policyLearningRate", "criticLearningRate", "evaluate", "reward-model", "learning-rate", "a", "seed"];
    expect(meant(wrong, wrong === "learningRate" ? known.filter((name) => name !== "learning-rate") : known)).toBe(answer);
  });

  it("is answered with none of many that hold it, or of those that share a letter or two", () => {
    expect(meant("steps", ["maxSteps", "everySteps", "warmSteps", "stepsInAll"])).toBeUndefined();
    expect(meant("gold", ["go", "a", "g-x"])).toBeUndefined();
  });
});
