import { describe, expect, it } from "vitest";
import { algorithmsPicture, algorithmsTable } from "../../docs/algorithms-figures.js";
import type { Study } from "../../docs/secrets/figures.js";

const variants = ["ppo-max-loose", "ppo-max", "ppo-max-tight", "rloo-loose", "rloo", "rloo-tight", "grpo", "grpo-tight", "grpo-tighter", "dpo-loose", "dpo", "dpo-tight"];
const figures = {
  "eval/win_rate": 0.5, "eval/lose_rate": 0.31, "eval/gold": 0.66, "eval/proxy": 0.94, "eval/kl": 4.86, "eval/length": 28.8, "eval/unfinished": 0.054,
  "eval/gold_baseline": 0.587, "eval/proxy_baseline": -0.0414, "eval/length_baseline": 16, "eval/unfinished_baseline": 0.003,
};
const study: Study = {
  specs: {}, versions: {}, processors: "",
  runs: variants.flatMap((variant) => [21, 22].map((seed) => ({ variant, seed, keys: {}, groups: {}, curves: {}, figures: { ...figures, "eval/gold": seed === 21 ? 0.66 : 0.7 } }))),
};

describe("the table of algorithms", () => {
  it("has a line a variant, pooled over its seeds, and one for what they are judged against", () => {
    const lines = algorithmsTable(study).split("\n").slice(2);
    expect(lines).toHaveLength(13);
    expect(lines[9]).toBe("| DPO | β 0.03 | 0.68 (0.66–0.70) | 50 (50–50) | 31 (31–31) | 0.94 (0.94–0.94) | 4.9 (4.9–4.9) | 29 (29–29) | 5 (5–5) |");
    expect(lines[12]).toBe("| SFT | | 0.59 |  |  | −0.04 |  | 16 | 0 |");
  });
});

describe("the picture of algorithms", () => {
  it("names each of them, and has a dot more in each panel for a seed more", () => {
    const svg = algorithmsPicture(study);
    for (const name of ["PPO-max", "RLOO", "GRPO", "DPO", "Gold score"]) expect(svg).toContain(`>${name}<`);
    const dots = (of: string) => of.match(/<path /g)!.length;
    const more = algorithmsPicture({ ...study, runs: [...study.runs, { ...study.runs[0]!, seed: 23 }] });
    expect(dots(more) - dots(svg)).toBe(2);
  });
});
