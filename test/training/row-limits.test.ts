import { describe, expect, it } from "vitest";
import type { Message } from "../../data/types.js";
import { cutFirstExchange, fitRows, type RowLimits } from "../../training/row-limits.js";
import { ticksBetween } from "../ticks.js";
import { assistant, user } from "./support.js";

/** Rows of which each turn takes as many tokens as its text has letters. */
const rows = (...dialogues: readonly (readonly Message[])[]) => dialogues.map((messages, index) => ({ messages, source: { file: "a.jsonl", line: index + 1 } }));
const fit = async (dialogues: ReturnType<typeof rows>, limits: Partial<RowLimits>, context = 10) => {
  const { rows: fitted, originals, places, counts } = await fitDialogues(dialogues, limits, context);
  // What was cut encodes to what was kept.
  expect(Array.from(originals, ({ messages }) => messages.map(({ content }) => content).join("|"))).toEqual([...fitted]);
  expect([...places]).toEqual([...places].sort());
  return { rows: [...fitted], counts };
};
const fitDialogues = (dialogues: ReturnType<typeof rows>, limits: Partial<RowLimits>, context: number) => fitRows(
  dialogues, { tooLong: "drop", maxTooLongShare: 1, ...limits }, context,
  {
    encode: (row) => row.messages.map(({ content }) => content).join("|"),
    toTokens: (text) => [Int32Array.from(text, (character) => character.charCodeAt(0))],
    fromTokens: ([codes]) => String.fromCharCode(...codes!),
    length: (text) => text.replaceAll("|", "").length,
    cut: (row) => {
      const messages = cutFirstExchange(row.messages);
      return messages && { ...row, messages };
    },
  },
);
const short = [user("aa"), assistant("b")];
const long = [user("cccccc"), assistant("dd"), user("ee"), assistant("ff")];
const hopeless = [user("gggggggggg"), assistant("hhh")];

describe("rows longer than the limit", () => {
  it("are dropped and counted", async () => {
    expect(await fit(rows(short, long, hopeless), {})).toEqual({ rows: ["aa|b"], counts: { used: 1, dropped: 2, cut: 0 } });
  });

  it("are cut by whole exchanges from the start; what is still too long is dropped", async () => {
    expect(await fit(rows(short, long, hopeless), { tooLong: "cut" })).toEqual({ rows: ["aa|b", "ee|ff"], counts: { used: 2, dropped: 1, cut: 1 } });
  });

  it("are those past maxTokens, or past the context where that is less", async () => {
    const dropped = async (maxTokens: number, context: number) => (await fit(rows(long), { maxTokens }, context)).counts.dropped;
    expect([await dropped(11, 20), await dropped(12, 20), await dropped(12, 11)]).toEqual([1, 0, 1]);
  });

  it("may be as many as maxTooLongShare says and no more, cut or dropped", async () => {
    expect((await fit(rows(short, long), { maxTooLongShare: 0.5 })).counts.dropped).toBe(1);
    await expect(fit(rows(short, long), { maxTooLongShare: 0.49, tooLong: "cut" })).rejects.toThrow(expect.objectContaining({
      code: "TL_DATA_TOO_LONG",
      message: "1 of 2 rows (50.0 %) are longer than 10 tokens; at most 49.0 % may be. The longest has 12, the first is at a.jsonl:2.",
      hint: expect.stringContaining("context to 12"),
    }));
  });

  it("are found without holding up timers: a worker's heartbeat goes on while much text is encoded", async () => {
    const many = rows(...Array.from({ length: 10 }, () => short));
    expect(await ticksBetween((hold) => fitRows(many, { tooLong: "drop", maxTooLongShare: 1 }, 10, {
      encode: hold, length: () => 1, cut: () => undefined, toTokens: () => [], fromTokens: () => undefined,
    }))).toBeGreaterThan(1);
  });
});

describe("cutting an exchange", () => {
  it("keeps the system message", () => {
    const system: Message = { role: "system", content: "s" };
    expect(cutFirstExchange([system, ...long])).toEqual([system, user("ee"), assistant("ff")]);
  });

  it("leaves a single exchange alone", () => {
    expect(cutFirstExchange(short)).toBeUndefined();
  });
});
