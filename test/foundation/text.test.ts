import pc from "picocolors";
import { expect, it } from "vitest";
import { counted, visible } from "../../foundation/text.js";

it("control characters are shown as JSON writes them, line ends and tabs stay", () => {
  expect(visible("a\u001b]0;title\u0007\tb\r\n\u0000\u009b31m\u202e\u007f", false)).toBe("a\\u001b]0;title\\u0007\tb\\u000d\n\\u0000\\u009b31m\\u202e\\u007f");
  expect(visible("灯 ü 👍🏽", false)).toBe("灯 ü 👍🏽");
});

it("of painted texts the program's own colours stay, and nothing else", () => {
  const { red, bold } = pc.createColors(true);
  expect(visible(bold(red("x\u001b[2J\u001b[8my")), true)).toBe(bold(red("x\\u001b[2J\\u001b[8my")));
  expect(visible(red("x"), false)).toBe("\\u001b[31mx\\u001b[39m");
});

it("one of a thing is told in the singular", () => {
  expect([0, 1, 2].map((number) => counted(number, "vote"))).toEqual(["0 votes", "1 vote", "2 votes"]);
  expect([counted(1, "person", "people"), counted(2, "person", "people")]).toEqual(["1 person", "2 people"]);
});
