import { describe, expect, it } from "vitest";
import { isHeldOut, promptKey } from "../../data/split.js";

describe("whether a key is held out", () => {
  // SHA-256 of "" starts with e3b0c442, of "abc" with ba7816bf: 0.88941 and 0.72839. Other numbers would move rows between
  // training and evaluation from one version to the next.
  it.each([["", 0.8894, 0.8895], ["abc", 0.7283, 0.7284]])("follows from its SHA-256 alone: %j", (key, below, above) => {
    expect(isHeldOut(key, below)).toBe(false);
    expect(isHeldOut(key, above)).toBe(true);
  });

  it("is never so with a holdout of 0", () => {
    expect(Array.from({ length: 1000 }, (_, index) => isHeldOut(`${index}`, 0))).not.toContain(true);
  });
});

describe("a prompt's key", () => {
  it("is the same however its messages were written", () => {
    expect(promptKey([{ content: "Hi", role: "user" }])).toBe(promptKey([{ role: "user", content: "Hi" }]));
    expect(promptKey([{ role: "user", content: "Hi" }])).toBe("[{\"content\":\"Hi\",\"role\":\"user\"}]");
  });
});
