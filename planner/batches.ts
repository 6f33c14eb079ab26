import { z } from "zod";
import type { Plan, PlannedStage } from "../schemas/plan.js";
import { stageKinds, type StageKind, type StageParameters } from "../schemas/stages/table.js";
import { tricksThatAreOn } from "../schemas/tricks.js";

/** What a step of a training stage takes. Every trained model of the stage gets the same number of updates. */
export interface StageBatches {
  readonly stage: string;
  /** Steps in all; undefined where they follow from how many rows the data has. */
  readonly steps: number | undefined;
  readonly updatesAStep: number;
  /** Rows of an update, the last of a step excepted where they don't divide; a pair is two. */
  readonly rowsAnUpdate: number;
  readonly words: string;
}

const kinds = z.enum(Object.keys(stageKinds) as [StageKind, ...StageKind[]]);

/** What "batch" means for each training stage of a plan, in numbers and in words. */
export function stageBatches(plan: Plan): StageBatches[] {
  return plan.stages.flatMap((stage) => {
    const batches = batchesOf(stage, kinds.parse(stage.kind));
    return batches === undefined ? [] : [{ stage: stage.name, ...batches }];
  });
}

function batchesOf({ parameters }: PlannedStage, kind: StageKind): Omit<StageBatches, "stage"> | undefined {
  switch (kind) {
    case "pretrain": {
      const { steps, batch, length } = stageKinds[kind].parameters.parse(parameters);
      const rows = `${batch} rows of ${length === undefined ? "as many tokens as the context has" : `${length} tokens`}`;
      return { steps, updatesAStep: 1, rowsAnUpdate: batch, words: `a step is one update on ${rows}; ${steps} steps` };
    }
    case "sft": {
      const { epochs, maxSteps, batch } = stageKinds[kind].parameters.parse(parameters);
      return { steps: undefined, updatesAStep: 1, rowsAnUpdate: batch, words: `a step is one update on ${batch} dialogues; ${passes(epochs, maxSteps)}` };
    }
    case "reward-model": case "dpo": {
      const { epochs, maxSteps, batch } = stageKinds[kind].parameters.parse(parameters);
      return {
        steps: undefined, updatesAStep: 1, rowsAnUpdate: 2 * batch,
        words: `a step is one update on ${batch} pairs, which are ${2 * batch} rows; ${passes(epochs, maxSteps)}`,
      };
    }
    case "critic-pretrain":
      return rolloutBatches(stageKinds[kind].parameters.parse(parameters), "of the critic");
    case "ppo": {
      const complete = stageKinds[kind].parameters.parse(parameters);
      const { pretrainingLoss, groupBaseline } = tricksThatAreOn(complete.tricks);
      const text = pretrainingLoss && `; each of the policy's reads ${pretrainingLoss.rows} rows of ${pretrainingLoss.length} tokens of text besides`;
      const batches = rolloutBatches(complete, groupBaseline === undefined ? "of the policy and as many of the critic" : "of the policy", groupBaseline?.samples);
      return { ...batches, words: batches.words + (text ?? "") };
    }
    case "tokenizer": case "preferences": case "evaluate": case "reward-accuracy": case "multiple-choice":
      return undefined;
  }
}

function passes(epochs: number, maxSteps: number | undefined): string {
  return `${epochs} ${epochs === 1 ? "pass" : "passes"} over the data${maxSteps === undefined ? "" : `, at most ${maxSteps} steps`}`;
}

function rolloutBatches(
  { steps, rollouts, epochs, minibatch }: Pick<StageParameters<"ppo" | "critic-pretrain">, "steps" | "rollouts" | "epochs" | "minibatch">, whose: string, samples = 1,
): Omit<StageBatches, "stage"> {
  const last = rollouts % minibatch;
  const updates = epochs * Math.ceil(rollouts / minibatch);
  const rows = Math.min(minibatch, rollouts);
  const parts = `minibatches of ${rows}${last === 0 || rows === rollouts ? "" : ` (the last of ${last})`}`;
  return {
    steps, updatesAStep: updates, rowsAnUpdate: rows,
    words: `a step samples ${rollouts} answers, ${samples === 1 ? "one" : samples} to each of the next ${rollouts / samples} prompts, and goes over them ${epochs === 1 ? "once" : `${epochs} times`} in ${parts}: `
      + `${updates} ${updates === 1 ? "update" : "updates"} ${whose}; ${steps} steps`,
  };
}
