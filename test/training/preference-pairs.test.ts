import { describe, expect, it } from "vitest";
import { readerOf } from "../../data/formats.js";
import type { AnsweredPrompt } from "../../schemas/report.js";
import { preferencePairs } from "../../training/preference-pairs.js";
import { user } from "./support.js";

const answered = (...baseline: readonly (readonly [text: string, gold?: number])[]): AnsweredPrompt => ({
  prompt: [user("Why?")], tags: { language: "en" }, candidate: { text: "ours", tokens: 1, finished: true, gold: 1 },
  baseline: baseline.map(([text, gold]) => ({ text, tokens: 1, finished: true, ...(gold !== undefined && { gold }) })),
});
const shown = (...given: Parameters<typeof preferencePairs>) => preferencePairs(...given).map(({ chosen, rejected }) => `${chosen} > ${rejected}`);

describe("pairs of a policy's answers", () => {
  it("are labelled by the gold score, those within the margin left out, those that differ most first", () => {
    const one = answered(["bad", 0.2], ["good", 1], ["fair", 0.45], ["as fair", 0.5]);
    expect(shown([one], 0.05, 9)).toEqual(["good > bad", "good > fair", "good > as fair", "as fair > bad", "fair > bad"]);
    expect(shown([one], 0.05, 2)).toEqual(["good > bad", "good > fair"]);
    expect(shown([one, answered(["x", 0], ["y", 1])], 0.6, 9)).toEqual(["good > bad", "y > x"]);
  });

  it("are of different answers that have a score and say something", () => {
    expect(shown([answered(["same", 0.9], ["same", 0.9], ["", 0], ["unscored"])], 0, 9)).toEqual([]);
  });

  it("are rows of format preference, tags and all", () => {
    const [row] = preferencePairs([answered(["a", 0], ["b", 1])], 0, 1);
    expect(readerOf("preference")(JSON.parse(JSON.stringify(row)))).toEqual({ is: "pair", prompt: [user("Why?")], chosen: "b", rejected: "a" });
    expect(row!.tags).toEqual({ language: "en" });
  });
});
