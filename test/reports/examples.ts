import { Random, randomAt } from "../../foundation/random.js";
import type { AnsweredPrompt, MetricsLine, Report } from "../../schemas/report.js";
import type { ComparedRun } from "../../reports/comparison.js";
import type { StageCurves } from "../../reports/curves.js";
import { buildReport } from "../../training/evaluation-report.js";

const judging = { judge: "gold", tieMargin: 0.05, seed: 1 } as const;

/** A report of made-up answers: `quality` is the candidate's lead in gold score. */
export function exampleReport(quality = 0.15): Report {
  const random = randomAt(5, "example");
  const score = (mean: number) => Math.min(1, Math.max(0, mean + 0.25 * random.normal()));
  const answered = Array.from({ length: 120 }, (_, index): AnsweredPrompt => {
    const language = index % 2 === 0 ? "en" : "zh";
    const side = (mean: number, length: number) => {
      const gold = score(mean);
      return {
        text: language === "en" ? "Sure. The lamp is in the hall. Let me know if you need more." : "好的。台灯在大厅里。还有别的问题吗？",
        tokens: length, finished: index % 11 !== 0, gold, proxy: 2 * (gold - 0.5), logProbability: -0.2 * length,
      };
    };
    return {
      prompt: [{ role: "user", content: language === "en" ? "Where is the lamp? <b>&" : "台灯在哪里？" }],
      tags: { language, part: index % 3 === 0 ? "harmless" : "helpful" },
      candidate: { ...side(0.6 + quality, 22), baselineLogProbability: -0.3 * 22 }, baseline: [side(0.6, 15), side(0.6, 15), side(0.6, 15)],
    };
  });
  const differences = Array.from({ length: 400 }, () => 1.1 + 1.4 * random.normal());
  const sampling = { temperature: 0.8, topP: 1, topK: 0, repetitionPenalty: 1, maxNewTokens: 48 };
  return buildReport(answered, differences, judging, { ...sampling, baselineSamples: 3, samples: 6, baselineIs: "model" });
}

/** Metrics of a PPO run; `drift` bends the gold score down late. */
export function exampleMetrics(seed: number, drift: number, steps = 80): MetricsLine[] {
  const random = randomAt(seed, "metrics");
  const noise = (random_: Random, scale: number) => scale * random_.normal();
  return Array.from({ length: steps }, (_, index) => {
    const t = index / steps;
    return {
      step: index + 1,
      "objective/gold": 0.58 + 0.25 * t - drift * t ** 3 + noise(random, 0.02), "objective/scores": 1.2 * t + drift * t + noise(random, 0.06),
      "objective/kl": 2 * t + 20 * drift * t ** 2 + noise(random, 0.1), "response/length": 15 + 12 * t + 25 * drift * t + noise(random, 0.6),
      "response/perplexity": 1.35 - 0.15 * t + noise(random, 0.01), "loss/policy": noise(random, 0.02), "loss/value": 0.3 * Math.exp(-4 * t) + 0.05 + Math.abs(noise(random, 0.01)),
      "policy/clipfrac": 0.02 + Math.abs(noise(random, 0.01)), "val/clipfrac": 0.1 * (1 - t) + Math.abs(noise(random, 0.02)),
    };
  });
}

export const exampleCurves: readonly StageCurves[] = [
  { stage: "ppo", kind: "ppo", metrics: exampleMetrics(1, 0) },
  {
    stage: "rm", kind: "reward-model",
    metrics: Array.from({ length: 100 }, (_, index) => ({
      step: index + 1, "loss/reward": 0.69 * Math.exp(-index / 60) + 0.05 * Math.sin(index * 7), "rm/accuracy": 0.6 + 0.002 * index,
      ...((index + 1) % 20 === 0 && { "rm/held_out_accuracy": 0.6 + 0.0018 * index }),
    })),
  },
];

export const exampleRuns: readonly ComparedRun[] = [1, 2, 3].flatMap((seed) => [
  { name: "vanilla PPO", seed, metrics: exampleMetrics(seed, 0.5 + 0.05 * seed) }, { name: "PPO-max", seed, metrics: exampleMetrics(seed + 10, 0.03 * seed) },
]);
