import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { stageMetrics, type GuardedKind } from "../../schemas/metrics.js";
import { trickNames } from "../../schemas/tricks.js";
import { createTrainer } from "../../training/registry.js";
import { serve } from "../foundation/http/server.js";
import { assistant, dialogueRow, pairRow, promptRow, runToEnd, stageData, textRow, tinyModel, tinyRewardModel, user } from "./support.js";

const context = 160;
const sample = JSON.parse((await readFile("data/sample/files/prompts.jsonl", "utf8")).split("\n")[0]!) as { prompt: string };
const text = stageData({ text: { train: ["abab", "cdcd"].map((each) => textRow(each)), heldOut: [textRow("abab")] } });
const dialogue = dialogueRow([user("a"), assistant("b")]);
const dialogues = stageData({ dialogues: { train: [dialogue, dialogue], heldOut: [dialogue] } });
const pairs = stageData({ pairs: { train: [pairRow("a", "yes", "no"), pairRow("b", "yes", "no")], heldOut: [pairRow("c", "yes", "no")] } });
const prompts = stageData({ prompts: { train: [promptRow(sample.prompt)], heldOut: [] } });
const rollouts = { steps: 1, rollouts: 2, minibatch: 2, maxNewTokens: 4, topP: 0.9 };

/** Tricks that go without a critic. */
const inPlaceOfCritic: ReadonlySet<string> = new Set(["groupBaseline", "sequenceRatio"]);

/** A stage of each kind with all that it may report. */
const kinds: Readonly<Record<GuardedKind, { readonly data: Readonly<Record<string, typeof text>>; readonly parameters: Readonly<Record<string, unknown>> }>> = {
  pretrain: { data: { data: text }, parameters: { model: "m", data: "d", steps: 1, batch: 1, length: 8 } },
  sft: { data: { data: dialogues }, parameters: { model: "m", data: "d", maxSteps: 1, batch: 2 } },
  "reward-model": { data: { data: pairs }, parameters: { model: "m", data: "d", maxSteps: 1, batch: 2 } },
  dpo: { data: { data: pairs }, parameters: { policy: "m", data: "d", maxSteps: 1, batch: 2 } },
  "critic-pretrain": {
    data: { prompts },
    parameters: { policy: "m", reward: "r", init: "m", prompts: "d", ...rollouts, tricks: { klPenalty: {}, rewardNormalization: {} } },
  },
  ppo: {
    data: { prompts, pretrainingData: text },
    parameters: {
      policy: "m", reward: "r", critic: "m", prompts: "d", pretrainingData: "d", heldOutReward: "h", gold: "sample", ...rollouts,
      tricks: Object.fromEntries(trickNames.map((name) => [name, inPlaceOfCritic.has(name) ? false : name === "pretrainingLoss" ? { rows: 1, length: 8 } : {}])),
    },
  },
};

/** The other half of what a ppo stage may report. */
const criticless = { tricks: { groupBaseline: { samples: 2 }, sequenceRatio: {}, klLoss: {} } };

describe("the metrics that guards may watch", () => {
  it.each(Object.keys(kinds) as GuardedKind[])("are all that a %s stage reports, and no others", async (kind) => {
    const [model, reward, heldOutReward] = [await tinyModel(1, context), await tinyRewardModel(2, context), await tinyRewardModel(3, context)];
    const { data, parameters } = kinds[kind];
    const { url } = await serve(() => ({ json: { choices: [{ message: { content: "7" } }] } }));
    const judging = kind === "ppo" || kind === "critic-pretrain" ? [{ reward: { judge: { url, model: "j" } } }] : [];
    const reported = await Promise.all([{}, ...kind === "ppo" ? [criticless] : [], ...judging].map(async (more) => {
      const { metrics } = await runToEnd((attempt) => createTrainer(kind, {
        ...attempt, seed: 3, data, parameters: { kind, ...parameters, ...more }, artifacts: { model, policy: model, init: model, critic: model, reward, heldOutReward },
      }));
      const { step: _, ...line } = metrics[0]!;
      return Object.keys(line);
    }));
    expect([...new Set(reported.flat())].sort()).toEqual(Object.keys(stageMetrics[kind]).sort());
  });
});
