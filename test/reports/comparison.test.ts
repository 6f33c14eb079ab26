import { describe, expect, it } from "vitest";
import { meanCurve, renderComparison } from "../../reports/comparison.js";
import { pointsOf, smoothed, thinned } from "../../reports/curves.js";
import { exampleMetrics, exampleRuns } from "./examples.js";

describe("the comparison of runs", () => {
  const svg = renderComparison(exampleRuns);
  const strokes = (width: string) => svg.match(new RegExp(`<path[^>]*stroke-width="${width}"[^>]*>`, "g")) ?? [];

  it("is one SVG that stands alone, in light and in dark", () => {
    expect(svg).toMatch(/^<svg[^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg).toContain("prefers-color-scheme: dark");
    expect(svg.match(/<svg/g)).toHaveLength(1);
  });

  it("has a thick line a name and panel, and a thin one a seed", () => {
    expect(strokes("3")).toHaveLength(2 * 4);
    expect(svg.match(/stroke-opacity="0.4"/g)).toHaveLength(6 * 4);
  });

  it("shows names as text, whatever they say, and runs no script", () => {
    const hostile = "<script>alert(1)</script>\" onload=\"alert(2)";
    const drawn = renderComparison([{ ...exampleRuns[0]!, name: hostile }]);
    expect(drawn).not.toMatch(/<script|<[^>]*\son\w+=/i);
    expect(drawn).toContain("&lt;script&gt;");
  });

  it("names panels and runs, and leaves out a metric that no run has", () => {
    for (const text of ["vanilla PPO", "PPO-max", "Gold score", "Response length, tokens"]) expect(svg).toContain(text);
    const withoutGold = exampleRuns.map(({ name, seed, metrics }) => ({
      name, seed, metrics: metrics.map((line) => ({ step: line.step, "objective/kl": line["objective/kl"]! })),
    }));
    expect(renderComparison(withoutGold)).not.toContain("Gold score");
  });
});

describe("curves", () => {
  it("average runs at the steps that all of them have", () => {
    expect(meanCurve([[[1, 2], [2, 4], [3, 6]], [[1, 4], [3, 0]]])).toEqual([[1, 3], [3, 3]]);
  });

  it("thin long ones to means of neighbours", () => {
    const points = Array.from({ length: 1000 }, (_, index) => [index, index] as const);
    expect(thinned(points, 100)).toHaveLength(100);
    expect(thinned(points, 100)[0]).toEqual([4.5, 4.5]);
    expect(thinned(points.slice(0, 100), 100)).toEqual(points.slice(0, 100));
  });

  it("smooth without moving a straight line's middle", () => {
    const points = Array.from({ length: 200 }, (_, index) => [index, 3 * index] as const);
    expect(smoothed(points)[100]).toEqual([100, 300]);
  });

  it("skip steps at which a metric is unknown", () => {
    expect(pointsOf([{ step: 1, a: 1 }, { step: 2 }, { step: 3, a: 0 }], "a")).toEqual([[1, 1], [3, 0]]);
    expect(pointsOf(exampleMetrics(1, 0, 3), "none")).toEqual([]);
  });
});
