import { describe, expect, it } from "vitest";
import { algorithmsTable } from "../../docs/algorithms-document.js";

const figures = {
  "eval/win_rate": 0.5181, "eval/win_rate_low": 0.468, "eval/win_rate_high": 0.5667, "eval/tie_rate": 0.172, "eval/lose_rate": 0.31, "eval/gold": 0.668,
  "eval/proxy": 0.94, "eval/kl": 4.86, "eval/length": 28.8, "eval/unfinished": 0.054,
  "eval/gold_baseline": 0.587, "eval/proxy_baseline": -0.0414, "eval/length_baseline": 16, "eval/unfinished_baseline": 0.003,
};

describe("the table of algorithms", () => {
  it("has a line a stage, and one for what they are judged against", () => {
    const lines = algorithmsTable([{ stage: "dpo", setting: "dpo", seed: 21, figures }]).split("\n").slice(2);
    expect(lines).toEqual([
      "| `dpo` | 21 | 52 / 17 / 31 % | 47 to 57 % | 0.67 | 0.94 | 4.9 | 29 | 5 % |",
      "| the SFT model | | | | 0.59 | -0.04 | 0 | 16 | 0 % |",
    ]);
  });
});
