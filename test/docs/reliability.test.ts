import { describe, expect, it } from "vitest";
import { reliabilityText, type ChaosResult, type FuzzSummary } from "../../docs/reliability-document.js";

const held: ChaosResult = {
  name: "kills", does: "Kills.", holds: "Same bytes.", result: "held", seconds: 3, figures: { kills: 2, "by stage": { base: 1, ppo: 1 } },
  date: "2026-01-02", seed: 7, command: "npm run chaos -- --seed 7 --only kills", versions: { trueline: "1", node: "20" }, processors: "2 × x",
};
const fuzz: FuzzSummary = {
  seed: 3, specs: { plans: 10, faults: 20, withFiles: 5 }, readings: { "a.json": { read: 1, refused: 2 }, ledger: { read: 3, refused: 4 } },
  programs: { validate: 4, run: 6 }, faults: 0, seconds: 9,
};

describe("the page on reliability", () => {
  it("says of each scenario whether it held, with its figures and the command that repeats it", () => {
    const text = reliabilityText([held], fuzz);
    expect(text).toContain("| [kills](#kills-held) | held | 3 |");
    expect(text).toContain("| by stage | base 1, ppo 1 |");
    expect(text).toContain("Again: `npm run chaos -- --seed 7 --only kills`");
  });

  it("says what did not hold, and what was not run and why", () => {
    const text = reliabilityText([{ ...held, result: "broken", because: "two bytes differ" }, { ...held, name: "queue", result: "skipped", because: "the time was up" }], fuzz);
    expect(text).toContain("## kills: broken");
    expect(text).toContain("Did not hold: two bytes differ");
    expect(text).toContain("## queue: skipped");
    expect(text).toContain("Not run: the time was up");
  });

  it("quotes the fuzzer, and calls what has a fault broken", () => {
    const text = reliabilityText([], fuzz);
    expect(text).toContain("30: 10 still were plans, 20 were refused; 5 with");
    expect(text).toContain("10: validate 4, run 6");
    expect(text).toContain("10 of 2 kinds: 4 could be read, 6 were refused");
    expect(text).toContain("## fuzz: held");
    expect(reliabilityText([], { ...fuzz, faults: 1 })).toContain("## fuzz: broken");
  });
});
