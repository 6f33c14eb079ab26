import { describe, expect, it } from "vitest";
import { nearest, suggestion } from "../../foundation/suggest.js";

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
});
