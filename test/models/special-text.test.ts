import { describe, expect, it } from "vitest";
import { SpecialText } from "../../models/special-text.js";

const token = (id: number, content: string) => ({ id, content, special: true, lstrip: false, rstrip: false });

describe("special tokens in a text", () => {
  it("are the longest that fit", () => {
    const special = new SpecialText([token(1, "<s"), token(2, "<s>")]);
    expect(special.segments("<s>a<sb")).toEqual([{ special: 2 }, { text: "a" }, { special: 1 }, { text: "b" }]);
  });

  it("are none where a tokenizer has none", () => {
    const special = new SpecialText([]);
    expect(special.segments("<s>")).toEqual([{ text: "<s>" }]);
    expect(special.guard([{ role: "user", content: "<s>" }]).messages).toEqual([{ role: "user", content: "<s>" }]);
  });
});

describe("a guarded message", () => {
  it.each([
    ["overlap", ["ab", "ba"], "ababa"],
    ["are one character", ["▁", "x"], "x▁x"],
    ["hold pattern characters", ["[INST]", "a.b|c"], "[INST] a.b|c"],
  ])("has no special token even where they %s, and is restored", (_, contents, content) => {
    const special = new SpecialText(contents.map((text, id) => token(id, text)));
    const { messages, restore } = special.guard([{ role: "user", content }]);
    expect(special.segments(messages[0]!.content)).toHaveLength(1);
    expect(restore(messages[0]!.content)).toBe(content);
  });
});
