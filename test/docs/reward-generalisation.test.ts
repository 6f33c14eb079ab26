import { describe, expect, it } from "vitest";
import { accuracyTable, pairsTable } from "../../docs/reward-generalisation-document.js";

const accuracy = (value: number) => Object.fromEntries(["written", "pairs-sft", "pairs-max", "pairs-vanilla"].flatMap((pairs, index) => [
  [`pairs/${pairs}/accuracy`, value - index / 10], [`pairs/${pairs}/accuracy_low`, value - index / 10 - 0.02], [`pairs/${pairs}/accuracy_high`, value - index / 10 + 0.02],
]));

describe("the tables of reward models on other policies' answers", () => {
  it("have a line a training set, the seeds' mean with their widest bounds", () => {
    const lines = accuracyTable({ "rank-written": accuracy(0.9), "rank-sft.s31": accuracy(0.8), "rank-sft.s32": accuracy(0.84), other: {} }).split("\n").slice(2);
    expect(lines).toEqual([
      "| the task's own pairs | 1 | 90 % (88 to 92) | 80 % (78 to 82) | 70 % (68 to 72) | 60 % (58 to 62) |",
      "| answers of SFT | 2 | 82 % (78 to 86) | 72 % (68 to 76) | 62 % (58 to 66) | 52 % (48 to 56) |",
    ]);
  });

  it("have a line for the pairs of each policy", () => {
    const own = { "preferences/pairs": 1665, "preferences/held_out_pairs": 656, "preferences/score": 0.5699, "preferences/length": 16.1, "preferences/longer_preferred": 0.768 };
    expect(pairsTable({ "pairs-sft": own }).split("\n").slice(2)).toEqual(["| answers of SFT | 1665 | 656 | 0.57 | 16 | 77 % |"]);
  });
});
