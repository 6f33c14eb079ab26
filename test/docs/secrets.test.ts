import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { curvesOf, linesOf, readStudy, type StudyRun } from "../../docs/secrets/figures.js";
import { findings, verdictOf, type Finding } from "../../docs/secrets/findings.js";
import { fall, gainsOf, overoptimization, proxyGainAfterPeak, roughness, smooth } from "../../docs/secrets/measures.js";
import { secretsText } from "../../docs/secrets/document.js";
import { sha256 } from "../../foundation/canonical.js";

const steps = Array.from({ length: 80 }, (_, index) => index);

function run(variant: string, seed: number, given: Partial<StudyRun> = {}): StudyRun {
  const figures = {
    "eval/gold": 0.85, "eval/gold_baseline": 0.59, "eval/proxy": 1.2, "eval/kl": 3, "eval/length": 25, "eval/perplexity": 1.2, "eval/win_rate": 0.7, "eval/lose_rate": 0.1,
    "eval/unfinished": 0, "rm/accuracy": 0.84, "facts/accuracy": 0.7, "facts-sft/accuracy": 0.7,
  };
  const curves = {
    "objective/gold": steps.map((step) => 0.6 + step / 400), "objective/scores": steps.map((step) => step / 50), "objective/kl": steps.map((step) => step / 25),
    "response/length": steps.map(() => 20), "val/explained_variance": steps.map(() => 0.5),
  };
  return { variant, seed, keys: {}, groups: {}, ...given, figures: { ...figures, ...given.figures }, curves: { ...curves, ...given.curves } };
}

const collapsing = { curves: { "objective/gold": steps.map((step) => 0.6 + (step < 40 ? step / 200 : (80 - step) / 200)) } };
const finding = (title: string): Finding => findings.find((each) => each.title.startsWith(title))!;

/** The finding's verdict where settings are as given, three seeds each. */
function verdict(title: string, given: Readonly<Record<string, Partial<StudyRun>>>): string {
  return verdictOf(finding(title).outcomes((variant) => [21, 22, 23].map((seed) => run(variant, seed, given[variant]))));
}

describe("measures of a run", () => {
  it("fall is from the highest mean over 8 steps to the last", () => {
    expect(fall(run("a", 1))).toBe(0);
    expect(fall(run("a", 1, collapsing))).toBeCloseTo(0.8 - 0.00875 - 0.6225, 2);
    expect(smooth([1, 2, 3, 4, 5, 6, 7, 8, 9])).toEqual([4.5, 5.5]);
  });

  it("the proxy's gain counts from the gold score's peak", () => {
    expect(proxyGainAfterPeak(run("a", 1, collapsing))).toBeCloseTo(0.72, 1);
    expect(proxyGainAfterPeak(run("a", 1))).toBe(0);
  });

  it("roughness is that of the steps, not of the slope", () => {
    expect(roughness([0, 1, 2, 3])).toBe(0);
    expect(roughness([0, 1, 0, 1, 0])).toBe(1);
  });

  it("finds α and β of gains that were made from them", () => {
    const gains = [0.2, 0.5, 1, 2, 3, 4].map((distance) => ({ distance, gain: distance * (0.3 - 0.15 * Math.log(distance)) }));
    const { alpha, beta } = overoptimization(gains);
    expect(alpha).toBeCloseTo(0.3, 10);
    expect(beta).toBeCloseTo(0.15, 10);
  });

  it("gains count from the first three steps, at the root of the KL", () => {
    const gains = gainsOf(run("a", 1));
    expect(gains.at(-1)!.distance).toBeCloseTo(Math.sqrt(75.5 / 25), 10);
    expect(gains.at(-1)!.gain).toBeCloseTo(74.5 / 400, 10);
  });

  it("curves keep four digits and come back as lines", () => {
    const curves = curvesOf([{ step: 1, "objective/gold": 0.123456, other: 1 }, { step: 2, "objective/gold": 0.2 }]);
    expect(curves).toEqual({ "objective/gold": [0.1235, 0.2] });
    expect(linesOf({ ...run("a", 1), curves })).toEqual([{ step: 1, "objective/gold": 0.1235 }, { step: 2, "objective/gold": 0.2 }]);
  });
});

describe("a verdict", () => {
  it("needs every seed", () => {
    expect(verdictOf(["holds", "holds", "holds"])).toBe("confirmed");
    expect(verdictOf(["holds", "holds", "neither"])).toBe("not seen");
    expect(verdictOf(["opposite", "opposite"])).toBe("contradicted");
    expect(verdictOf(["opposite", "holds"])).toBe("not seen");
    expect(verdictOf([])).toBe("not seen");
  });

  it.each([
    ["Vanilla PPO collapses", { vanilla: collapsing }, "confirmed"],
    ["Vanilla PPO collapses", {}, "contradicted"],
    ["PPO-max climbs", {}, "confirmed"],
    ["PPO-max climbs", { max: { figures: { "eval/gold": 0.6 } } }, "not seen"],
    ["PPO-max climbs", { max: collapsing }, "not seen"],
    ["KL, length", { vanilla: { figures: { "eval/kl": 7, "eval/length": 30, "eval/perplexity": 1.1 } } }, "confirmed"],
    ["KL, length", { vanilla: { figures: { "eval/kl": 5, "eval/length": 30, "eval/perplexity": 1.1 } } }, "not seen"],
    ["Reward scaling", { scaling: collapsing }, "confirmed"],
    ["A larger δ of reward", { "rnorm-08": { figures: { "eval/proxy": 2, "eval/kl": 9 } } }, "confirmed"],
    ["A larger δ of reward", { "rnorm-03": { figures: { "eval/proxy": 2, "eval/kl": 9 } } }, "contradicted"],
    ["A larger δ of advantage", { "anorm-05": { figures: { "eval/proxy": 2 } } }, "not seen"],
    ["The KL penalty alone", {}, "confirmed"],
    ["The KL penalty alone", { "kl-005": collapsing }, "contradicted"],
    ["Reward and drift fall", { "kl-005": { figures: { "eval/proxy": 3, "eval/kl": 9 } }, "kl-01": { figures: { "eval/proxy": 2, "eval/kl": 6 } } }, "confirmed"],
    ["Reward and drift fall", { "kl-005": { figures: { "eval/proxy": 3, "eval/kl": 9 } } }, "not seen"],
    ["The entropy bonus", { "entropy-030": { figures: { "eval/gold": 0.5 } } }, "confirmed"],
    ["The entropy bonus", {}, "contradicted"],
    ["Importance sampling", { "isr-kl": { figures: { "eval/proxy": 0.5, "eval/kl": 1 } } }, "confirmed"],
    ["Importance sampling", { "isr-kl": { figures: { "eval/proxy": 0.5, "eval/kl": 1 }, ...{ curves: collapsing.curves } } }, "not seen"],
    ["Without SFT", { "no-sft": { figures: { "eval/gold": 0.5 } } }, "confirmed"],
    ["Without SFT", { "no-sft": { figures: { "eval/gold": 0.65 } } }, "not seen"],
    ["A critic from the reward model", {}, "confirmed"],
    ["A critic from the reward model", { "critic-sft": { figures: { "eval/gold": 0.7 } } }, "contradicted"],
    ["Pretraining the critic", { "critic-rm": { curves: { "val/explained_variance": steps.map(() => 0.2) } } }, "confirmed"],
    ["Reward normalisation with value", { "rnorm-vclip": collapsing }, "confirmed"],
    ["Two other mixtures", {}, "confirmed"],
    ["Two other mixtures", { "rnorm-anorm": collapsing }, "not seen"],
    ["The range of the clipped", { "clip-03": { figures: { "eval/gold": 0.78 } } }, "not seen"],
    ["Clipping gradients", {}, "confirmed"],
    ["λ 0", { "lambda-0": collapsing }, "confirmed"],
    ["λ 0", { "lambda-0": { figures: { "eval/gold": 0.95 } } }, "contradicted"],
    ["λ 1", { "lambda-1": { curves: { "objective/scores": steps.map((step) => step % 2) } } }, "confirmed"],
    ["A reward model that was stopped", { "rm-early": { figures: { "eval/gold": 0.8 } } }, "confirmed"],
    ["A reward model that was stopped", { "rm-early": { figures: { "eval/gold": 0.8, "rm/accuracy": 0.7 } } }, "not seen"],
    ["The reward model bounds", { "rm-30": { figures: { "eval/gold": 0.8 } }, "rm-10": { figures: { "eval/gold": 0.7 } } }, "confirmed"],
    ["PPO pays", { "no-ptx": { figures: { "facts/accuracy": 0.6 } } }, "confirmed"],
    ["PPO pays", {}, "not seen"],
    ["PPO-max lasts", { "max-long": collapsing }, "contradicted"],
  ])("%s, case %#", (title, given, expected) => {
    expect(verdict(title, given)).toBe(expected);
  });
});

describe("docs/secrets-of-ppo.md", () => {
  const study = readStudy();

  it("rests on the specs as they are", () => {
    for (const [name, digest] of Object.entries(study.specs)) {
      expect(digest, name).toBe(sha256(readFileSync(`pipelines/secrets-of-ppo/${name}.json`)));
    }
  });

  it("has a finding for every setting of the specs, and a setting for every finding", () => {
    const written = readdirSync("pipelines/secrets-of-ppo").flatMap((name) => [...readFileSync(`pipelines/secrets-of-ppo/${name}`, "utf8").matchAll(/^ {6}"([a-z0-9-]+)":/gm)].map(([, variant]) => variant!));
    for (const { title, variants, afterwards = [] } of findings) for (const variant of [...variants, ...afterwards]) expect(written, title).toContain(variant);
  });

  it("gives each finding a picture of its own", () => {
    expect(new Set(findings.map(({ variants }) => variants.join("_"))).size).toBe(findings.length);
  });

  it("says of settings that were not run that they were not", () => {
    const text = secretsText({ ...study, runs: study.runs.filter(({ variant }) => variant !== "lambda-0") });
    expect(text).toContain("| [λ 0 is unstable](#λ-0-is-unstable) | P appendix C.3 | not run |");
  });
});
