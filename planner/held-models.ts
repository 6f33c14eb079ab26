import { z } from "zod";
import { trainedBytes } from "../models/parameters.js";
import type { Plan, PlannedStage } from "../schemas/plan.js";
import { scratchSizesSchema } from "../schemas/spec.js";
import { stageKinds, type StageKind } from "../schemas/stages/table.js";
import { scratchParameters } from "./model-sizes.js";

/** Bytes of a weight in float32: all that a model takes which is not trained, or under an adapter, whose own weights are few. */
const frozenBytes = 4;

/** The models that a stage holds at once, by the fields that name them; what the stage leaves is made from the first that is trained. */
interface Roles {
  readonly trained: readonly string[];
  readonly frozen: readonly string[];
}

const roles: Readonly<Record<StageKind, Roles>> = {
  "tokenizer": { trained: [], frozen: [] },
  "pretrain": { trained: ["model"], frozen: [] },
  "sft": { trained: ["model"], frozen: [] },
  "reward-model": { trained: ["model"], frozen: [] },
  "critic-pretrain": { trained: ["init"], frozen: ["policy", "reward"] },
  // The reference is the policy as it was, unless the stage names another.
  "ppo": { trained: ["policy", "critic"], frozen: ["policy", "reward", "heldOutReward"] },
  "dpo": { trained: ["policy"], frozen: ["policy"] },
  "preferences": { trained: [], frozen: ["policy", "reward"] },
  "evaluate": { trained: [], frozen: ["candidate", "baseline", "reward", "heldOutReward"] },
  "reward-accuracy": { trained: [], frozen: ["reward"] },
  "multiple-choice": { trained: [], frozen: ["model"] },
};

/** What the models of a stage take. */
export interface HeldModels {
  readonly stage: string;
  /** Of the largest of them. */
  readonly parameters: number;
  readonly models: number;
  /** Weights of all, gradients and Adam's moments of those that are trained; activations come on top. */
  readonly bytes: number;
}

const kinds = z.enum(Object.keys(stageKinds) as [StageKind, ...StageKind[]]);

/**
 * What the models of each stage take, where any are known. Pure. `directories`: parameters of the model directories that the plan names, by path; a model that
 * goes back to none of them, nor to a model from scratch, counts as nothing.
 */
export function heldModels(plan: Plan, directories: ReadonlyMap<string, number>): HeldModels[] {
  const stages = new Map(plan.stages.map((stage) => [stage.name, stage]));
  const sizeOf = (stage: PlannedStage, field: string): number | undefined => {
    const input = stage.inputs[field];
    switch (input?.from) {
      case "directory": return directories.get((input.under?.[0] ?? input).path);
      case "scratch": return scratchParameters(scratchSizesSchema.parse(input.configuration), vocabularyOf(stages.get(input.tokenizer)));
      case "stage": {
        const made = stages.get(input.stage)!;
        const [from] = roles[kinds.parse(made.kind)].trained;
        return from === undefined ? undefined : sizeOf(made, from);
      }
      case "data": case "file": case undefined: return undefined;
    }
  };
  return plan.stages.flatMap((stage): HeldModels[] => {
    const { trained, frozen } = roles[kinds.parse(stage.kind)];
    // A reward of several terms holds a model for each that is one: `reward.1`, `reward.2`.
    const inputsOf = (field: string) => Object.keys(stage.inputs).filter((input) => input === field || input.startsWith(`${field}.`));
    const sizes = (fields: readonly string[]) => fields.flatMap(inputsOf).flatMap((input) => sizeOf(stage, input) ?? []);
    const adapts = stage.parameters["lora"] !== undefined;
    // Under the policy's adapter lies its reference.
    const besides = adapts && (stage.kind === "ppo" || stage.kind === "dpo") && stage.inputs["reference"] === undefined ? frozen.filter((field) => field !== "policy") : frozen;
    const [training, resting] = [sizes(trained), sizes(besides)];
    const all = [...training, ...resting];
    return all.length === 0 ? [] : [{
      stage: stage.name, models: all.length, parameters: Math.max(...all),
      bytes: sum(training) * (adapts ? frozenBytes : trainedBytes) + sum(resting) * frozenBytes,
    }];
  });
}

function vocabularyOf(tokenizer: PlannedStage | undefined): number {
  return z.number().catch(0).parse(tokenizer?.parameters["vocabulary"]);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * Stages of the embedded backend whose models alone are larger than a machine's memory, one sentence each. A worker elsewhere may have more, so that this is no
 * fault of the spec. @param memory Bytes.
 */
export function memoryWarnings({ stages }: Plan, held: readonly HeldModels[], memory: number): string[] {
  const embedded = new Set(stages.filter(({ resources: { backend } }) => backend !== "torch").map(({ name }) => name));
  const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toPrecision(2)} GiB`;
  return held.filter(({ stage, bytes }) => embedded.has(stage) && bytes > memory).map(({ stage, models, bytes }) =>
    `${stage}: its ${models} models take ${gigabytes(bytes)}, and this machine has ${gigabytes(memory)}; take a smaller model, or a worker on a larger machine`);
}
