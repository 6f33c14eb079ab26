import { describe, expect, it } from "vitest";
import type { Outcome } from "../../schemas/report.js";
import { wilson } from "../../training/intervals.js";
import { agreementOf, cohensKappa, compareJudges, figuresOfJudges, partsOf, verdictGroup } from "../../training/judge-tables.js";

const tagged = (language: string, part: string) => ({ tags: { language, part } });
const prompts = [tagged("en", "helpful"), tagged("en", "harmful"), tagged("zh", "helpful"), tagged("zh", "harmful")];
const judge = (name: string, ...verdicts: (readonly Outcome[])[]) => ({ judge: name, verdicts });

describe("parts of the prompts", () => {
  it("are all of them, each value of each tag, and each combination that occurs", () => {
    expect(partsOf(prompts.slice(0, 3))).toEqual([
      {}, { language: "en" }, { language: "zh" }, { part: "harmful" }, { part: "helpful" },
      { language: "en", part: "harmful" }, { language: "en", part: "helpful" }, { language: "zh", part: "helpful" },
    ]);
  });

  it("are no combinations where one tag divides the prompts, or where there would be many", () => {
    expect(partsOf([{ tags: { language: "en" } }, { tags: { language: "zh" } }])).toHaveLength(3);
    const many = Array.from({ length: 16 }, (_, index) => ({ tags: { a: String(index % 4), b: String(Math.floor(index / 4)) } }));
    expect(partsOf(many)).toHaveLength(1 + 4 + 4);
  });
});

describe("a judge's rates", () => {
  it("count each prompt once, and each has an interval", () => {
    const { win, tie, lose, net, prompts: count } = verdictGroup({}, [["win", "win"], ["win", "lose"], ["tie", "lose"]]);
    expect(count).toBe(3);
    expect([win.value, tie.value, lose.value]).toEqual([0.5, 1 / 6, 1 / 3]);
    expect(net.value).toBeCloseTo(0.5 - 1 / 3, 12);
    for (const { value, low, high } of [win, tie, lose, net]) {
      expect(low).toBeLessThan(value);
      expect(high).toBeGreaterThan(value);
    }
  });

  it("are told apart by tags", () => {
    const { tables } = compareJudges(prompts, [judge("gold", ["win"], ["lose"], ["win"], ["tie"])], 1);
    const rates = Object.fromEntries(tables[0]!.groups.map(({ tags, win, tie, lose }) => [Object.values(tags).join(" "), [win.value, tie.value, lose.value]]));
    expect(rates).toMatchObject({ "": [0.5, 0.25, 0.25], en: [0.5, 0, 0.5], helpful: [1, 0, 0], "zh harmful": [0, 1, 0] });
  });

  it("of all prompts are figures of the stage", () => {
    const judges = compareJudges(prompts, [judge("gold", ["win"], ["lose"], ["win"], ["tie"])], 1);
    expect(figuresOfJudges(judges)).toEqual({ "judge/gold/win_rate": 0.5, "judge/gold/tie_rate": 0.25, "judge/gold/lose_rate": 0.25 });
    expect(figuresOfJudges(undefined)).toEqual({});
  });
});

describe("agreement of two judges", () => {
  it("is Cohen's kappa beside the raw share: his example of 1960 gives 0.492", () => {
    // Table 1, proportions of 200: rows judge A, columns judge B.
    const table: readonly (readonly [Outcome, Outcome, number])[] = [
      ["win", "win", 88], ["win", "tie", 14], ["win", "lose", 18], ["tie", "win", 10], ["tie", "tie", 40], ["tie", "lose", 10],
      ["lose", "win", 2], ["lose", "tie", 6], ["lose", "lose", 12],
    ];
    const pairs = table.flatMap(([a, b, count]) => new Array<readonly [Outcome, Outcome]>(count).fill([a, b]));
    expect(cohensKappa(pairs)).toBeCloseTo(0.492, 3);
    const { raw, kappa, comparisons } = agreementOf(judge("a", ...pairs.map(([a]) => [a])), judge("b", ...pairs.map(([, b]) => [b])), 1);
    expect(comparisons).toBe(200);
    expect(raw).toEqual(wilson(140, 200));
    // Cohen's standard error of 0.054 gives ±0.105.
    expect(kappa!.low).toBeCloseTo(0.492 - 0.105, 1);
    expect(kappa!.high).toBeCloseTo(0.492 + 0.105, 1);
  });

  it("counts the comparisons that both have judged, and has no kappa where chance alone agrees on all", () => {
    const { comparisons, raw, kappa } = agreementOf(judge("a", ["win", "win"], ["win"], []), judge("b", ["win"], ["win"], ["lose"]), 1);
    expect([comparisons, raw.value, kappa]).toEqual([2, 1, undefined]);
  });

  it("has an interval over prompts, as many drawn as there are: of a single one a point", () => {
    const { kappa } = agreementOf(judge("a", ["win", "lose", "win"]), judge("b", ["win", "lose", "tie"]), 1);
    expect(kappa).toEqual({ value: 0.5, low: 0.5, high: 0.5 });
  });

  it("is given for every pair of judges", () => {
    const same = [["win"], ["lose"], ["tie"], ["win"]] as const;
    const { agreement } = compareJudges(prompts, [judge("a", ...same), judge("b", ...same), judge("c", ["lose"], ["win"], ["tie"], ["lose"])], 1);
    expect(agreement.map(({ judges, raw, kappa }) => [judges.join(" "), raw.value, kappa!.value > 0])).toEqual([["a b", 1, true], ["a c", 0.25, false], ["b c", 0.25, false]]);
  });
});
