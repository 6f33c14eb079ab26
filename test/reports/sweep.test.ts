import { describe, expect, it } from "vitest";
import { bandOf } from "../../reports/bands.js";
import { renderSweep } from "../../reports/sweep-page.js";
import { renderSweepPicture } from "../../reports/sweep-picture.js";
import { pooled, sweepResults, type StageOutcome } from "../../reports/sweep-results.js";
import type { PlannedSweep } from "../../schemas/sweep.js";
import { exampleMetrics } from "./examples.js";

const variant = (name: string, seed: string) => ({ name, seed, settings: { kl: name }, stages: { ppo: `ppo.${name}.s${seed}`, eval: `eval.${name}.s${seed}` } });
const objective = { stage: "eval", metric: "eval/gold", goal: "maximize" } as const;
const sweep = (names: readonly string[], seeds: readonly string[]): PlannedSweep => ({ variants: names.flatMap((name) => seeds.map((seed) => variant(name, seed))), objective });

/** Stages whose gold scores are given by variant, a number a seed; missing ones failed. */
function outcomes(gold: Readonly<Record<string, readonly (number | undefined)[]>>): StageOutcome[] {
  return Object.entries(gold).flatMap(([name, values]) => values.flatMap((value, index): StageOutcome[] => [
    { name: `ppo.${name}.s${index + 1}`, kind: "ppo", state: value === undefined ? "failed" : "finished", figures: { "objective/gold": 9 } },
    { name: `eval.${name}.s${index + 1}`, kind: "evaluate", state: value === undefined ? "waiting" : "finished", figures: value === undefined ? {} : { "eval/gold": value, "eval/kl": 2 * value, "eval/odd": 1 } },
  ]));
}

describe("the results of a sweep", () => {
  const results = sweepResults(sweep(["a", "b", "c"], ["1", "2"]), outcomes({ a: [0.5, 0.7], b: [0.8, undefined], c: [undefined, undefined] }));

  it("pool the seeds of a variant: mean, range and the sample standard deviation", () => {
    expect(pooled([1, 2, 6])).toEqual({ mean: 3, min: 1, max: 6, count: 3, deviation: Math.sqrt(7) });
    expect(pooled([2])).toEqual({ mean: 2, min: 2, max: 2, count: 1 });
    expect(pooled([0.7, 0.7, 0.7])).toMatchObject({ mean: 0.7, deviation: 0 });
    expect(pooled([])).toBeUndefined();
  });

  it("are sorted by the objective, those without one last", () => {
    expect(results.variants.map(({ name, objective: goal }) => [name, goal?.mean, goal?.count])).toEqual([["b", 0.8, 1], ["a", 0.6, 2], ["c", undefined, undefined]]);
    const worstFirst = sweepResults({ ...sweep(["a", "b"], ["1"]), objective: { ...objective, goal: "minimize" } }, outcomes({ a: [0.5], b: [0.8] }));
    expect(worstFirst.variants.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("have the headline figures of the evaluation, and say how many stages are in which state", () => {
    expect(results.columns).toEqual(["eval/gold", "eval/kl"]);
    expect(results.variants[0]?.states).toEqual({ finished: 2, failed: 1, waiting: 1 });
  });

  it("count a stage once that no seed touches", () => {
    const shared: PlannedSweep = { variants: ["1", "2"].map((seed) => ({ ...variant("a", seed), stages: { ppo: `ppo.s${seed}`, eval: "eval.a" } })) };
    expect(sweepResults(shared, [{ name: "eval.a", kind: "evaluate", state: "finished", figures: { "eval/gold": 1 } }]).variants[0]?.figures["eval/gold"]?.count).toBe(1);
  });

  it("are a reward model's accuracies, of each kind of pairs, without their bounds", () => {
    const ranked: PlannedSweep = { variants: ["1", "2"].map((seed) => ({ name: "rm", seed, settings: {}, stages: { rank: `rank.${seed}`, rm: `rm.${seed}` } })) };
    const figures = (accuracy: number) => ({ "rm/accuracy": 0.1, "pairs/sft/accuracy": accuracy, "pairs/sft/accuracy_low": 0.1, "pairs/sft/accuracy_high": 0.9, "pairs/ppo/accuracy": accuracy / 2 });
    const found = sweepResults(ranked, ["1", "2"].flatMap((seed, index) => [
      { name: `rm.${seed}`, kind: "reward-model", state: "finished", figures: { "rm/accuracy": 0.7 } },
      { name: `rank.${seed}`, kind: "reward-accuracy", state: "finished", figures: figures(0.6 + index / 5) },
    ]));
    expect(found.columns).toEqual(["pairs/sft/accuracy", "pairs/ppo/accuracy"]);
    expect(found.variants[0]!.figures["pairs/sft/accuracy"]).toMatchObject({ min: 0.6, max: 0.8, count: 2 });
  });

  it("are those of the last stages where nothing evaluates", () => {
    // Members of a stored plan are in the order of their names.
    const plain: PlannedSweep = { variants: ["a", "b"].map((name) => ({ name, seed: "", settings: {}, stages: { rm: `rm.${name}`, sft: `sft.${name}` } })) };
    const found = sweepResults(plain, [
      ...["a", "b"].map((name) => ({ name: `sft.${name}`, kind: "sft", state: "finished", figures: { "loss/sft": 1 } })),
      ...["a", "b"].map((name) => ({ name: `rm.${name}`, kind: "reward-model", state: "finished", figures: { "rm/accuracy": 0.7 } })),
    ]);
    expect(found.columns).toEqual(["rm/accuracy"]);
    expect(found.variants.map(({ figures }) => figures["rm/accuracy"]?.mean)).toEqual([0.7, 0.7]);
  });
});

describe("the page of a sweep", () => {
  const names = Array.from({ length: 12 }, (_, index) => `kl-${index}`);
  const results = sweepResults(sweep(names, ["1", "2"]), outcomes(Object.fromEntries(names.map((name, index) => [name, [0.5 + index / 50, 0.52 + index / 50]]))));
  const stages = [{ stage: "ppo", kind: "ppo", variants: results.variants.map(({ name }, index) => ({ name, seeds: [1, 2].map((seed) => exampleMetrics(10 * index + seed, index / 20, 40)) })) }];
  const page = renderSweep(results, stages, "a <sweep>");

  it("has a row a variant, the best first and told in a sentence", () => {
    expect(page.match(/<th scope="row">/g)).toHaveLength(12);
    expect(page).toContain("Best of 12 variants by <b>eval/gold</b> of eval: <b>kl-11</b>, 0.73 ± 0.014 over 2 seeds (0.72 to 0.74).");
    expect(page.indexOf("kl-11</th>")).toBeLessThan(page.indexOf("kl-10</th>"));
  });

  it("draws a panel a metric, with a coloured line and a band for each of the best, and grey lines for the others", () => {
    const [, gold = ""] = /<b>Gold score<\/b>(.*?)<\/figure>/s.exec(page) ?? [];
    expect(gold.match(/stroke-width="2"/g)).toHaveLength(8);
    expect(gold.match(/fill-opacity="0.14"/g)).toHaveLength(8);
    expect(gold.match(/stroke-opacity="0.35"/g)).toHaveLength(4);
    expect(page).toContain("4 others");
  });

  it("says that the best is the best so far where some have no results yet", () => {
    const open = sweepResults(sweep(["a", "b"], ["1"]), outcomes({ a: [0.5], b: [undefined] }));
    expect(renderSweep(open, [], "t")).toContain("Best so far of 2 variants");
  });

  it("needs no script and shows names as text", () => {
    expect(page).toContain("<h1>a &lt;sweep&gt;</h1>");
    expect(page).not.toMatch(/<script/);
    expect(renderSweep(results, [], "t")).not.toContain("class=\"figures\"");
  });

  it("pools curves that end at different steps as far as each goes", () => {
    const { mean, low, high } = bandOf([[[1, 0], [2, 2]], [[1, 4]]]);
    expect([mean, low, high]).toEqual([[[1, 2], [2, 2]], [[1, 0], [2, 2]], [[1, 4], [2, 2]]]);
  });
});

describe("the picture of a sweep", () => {
  const variants = Array.from({ length: 20 }, (_, index) => ({ name: `kl-${index}`, seeds: [1, 2].map((seed) => exampleMetrics(10 * index + seed, index / 20, 40)) }));
  const losses = (more: number) => [Array.from({ length: 5 }, (_, step) => ({ step: step + 1, "loss/sft": 3 - step / 5 + more }))];
  const picture = renderSweepPicture([
    { stage: "ppo", kind: "ppo", variants }, { stage: "sft", kind: "sft", variants: variants.map(({ name }, index) => ({ name, seeds: losses(index) })) },
    { stage: "later", kind: "ppo", variants: variants.map(({ name }) => ({ name, seeds: [] })) },
  ]);
  const count = (pattern: RegExp) => picture.match(pattern)?.length ?? 0;

  it("is one SVG that stands alone, in light and in dark, with the colours of all its lines", () => {
    expect(picture).toMatch(/^<svg[^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(count(/<svg/g)).toBe(1);
    const strokes = new Set([...picture.matchAll(/stroke="(#[0-9a-f]{6})" stroke-width="2"/g)].map(([, stroke]) => stroke));
    expect(strokes.size).toBe(8);
    for (const stroke of strokes) expect(picture).toContain(`[stroke="${stroke!}"]{stroke:`);
  });

  it("has a panel a metric, in it a line a variant: of the best in colour with a band, of the others grey", () => {
    const panels = 6 + 1;
    expect(count(/stroke-width="2"/g)).toBe(8 * panels);
    expect(count(/stroke-opacity="0.35"/g)).toBe(12 * panels);
    // A single seed has no range.
    expect(count(/fill-opacity="0.14"/g)).toBe(8 * 6);
  });

  it("names the stages that have curves, their panels, the best variants and how many others there are", () => {
    const words = [...picture.matchAll(/>([^<>]+)<\/text>/g)].map(([, text]) => text!.trim());
    expect(words).toEqual(expect.arrayContaining(["ppo", "sft", "Gold score", "KL to the reference", "Loss on answers", "kl-0", "kl-7", "12 others"]));
    for (const absent of ["later", "kl-8", "kl-19"]) expect(words).not.toContain(absent);
  });
});
