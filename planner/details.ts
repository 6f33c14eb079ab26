import { z } from "zod";
import type { Plan, PlannedStage } from "../schemas/plan.js";
import { ppoParameters } from "../schemas/stages/ppo.js";
import { trickParameters, type ResolvedTricks } from "../schemas/tricks.js";
import { presetChoices, type PresetName } from "./presets.js";

/** One implementation detail of PPO as a stage has it. */
export interface Detail {
  /** Its number in P figure 5; undefined for all others. */
  readonly number: number | undefined;
  readonly name: string;
  readonly on: boolean;
  /** Its parameters, or where a model comes from. */
  readonly setting: string;
}

export interface StageDetails {
  readonly stage: string;
  readonly preset: PresetName;
  /** What the preset fixes without the papers' word for it. */
  readonly choice: string;
  readonly details: readonly Detail[];
}

/** Tricks of RLOO and GRPO, and of group-invariant learning, shown where they are on. */
const beyond = [
  ["baseline from the prompt's other answers", "groupBaseline"], ["KL in the loss", "klLoss"], ["ratio of whole answers", "sequenceRatio"],
  ["loss by answer", "lossAggregation"], ["group-invariant learning", "groupInvariance"],
] as const satisfies readonly (readonly [string, keyof ResolvedTricks])[];

const readParameters = z.object({ preset: ppoParameters.shape.preset, tricks: z.strictObject(trickParameters).partial() });

/** The twelve details of P figure 5, three of §5.4, and what is on beyond them, for every ppo stage of a plan. */
export function ppoDetails(plan: Plan): StageDetails[] {
  return plan.stages.filter(({ kind }) => kind === "ppo").map((stage) => {
    const { preset, tricks } = readParameters.parse(stage.parameters);
    return { stage: stage.name, preset: preset, choice: presetChoices[preset], details: detailsOf(plan, stage, tricks) };
  });
}

function detailsOf(plan: Plan, stage: PlannedStage, tricks: ResolvedTricks): Detail[] {
  const critic = stageOf(plan, stage, "critic");
  const pretrained = critic?.kind === "critic-pretrain";
  const origin = pretrained ? originOf(plan, critic, "init") : stage.inputs["critic"] && originOf(plan, stage, "critic");
  const policy = originOf(plan, stage, "policy");
  const trick = (number: number, name: string, key: keyof ResolvedTricks): Detail => ({ number, name, on: tricks[key] !== undefined, setting: settingOf(tricks[key]) });
  const kl = trick(1, "token-level KL penalty", "klPenalty");
  return [
    { ...kl, on: (tricks.klPenalty?.coefficient ?? 0) > 0, setting: [kl.setting, tricks.adaptiveKl && `adaptive: ${settingOf(tricks.adaptiveKl)}`].filter(Boolean).join(", ") },
    trick(2, "importance sampling against the reference", "referenceSampling"),
    trick(3, "entropy bonus", "entropyBonus"),
    trick(4, "reward scaling", "rewardScaling"),
    trick(5, "reward normalisation and clipping", "rewardNormalization"),
    trick(6, "advantage normalisation and clipping", "advantageNormalization"),
    trick(7, "value-loss clipping", "valueClipping"),
    { number: 8, name: "critic initialised from the reward model", on: origin?.type === "reward-model", setting: origin === undefined ? "no critic" : `from ${origin.name}` },
    { number: 9, name: "policy initialised from SFT", on: isFineTuned(plan, stage), setting: `from ${policy.name}` },
    trick(10, "generalised advantage estimation", "gae"),
    trick(11, "clipped surrogate", "clippedSurrogate"),
    trick(12, "global gradient clipping", "gradientClipping"),
    { number: undefined, name: "critic pretraining", on: pretrained, setting: pretrained ? `by ${critic.name}` : "" },
    { number: undefined, name: "experience buffer", on: true, setting: `${String(stage.parameters["rollouts"])} answers, minibatch ${String(stage.parameters["minibatch"])}` },
    { ...trick(0, "pretraining loss (ptx)", "pretrainingLoss"), number: undefined },
    ...beyond.filter(([, key]) => tricks[key] !== undefined).map(([name, key]) => ({ ...trick(0, name, key), number: undefined })),
  ];
}

/** Whether the policy is an sft stage's, or goes back to one by way of ppo and dpo stages. */
function isFineTuned(plan: Plan, stage: PlannedStage): boolean {
  const before = stageOf(plan, stage, "policy");
  return before?.kind === "sft" || ((before?.kind === "ppo" || before?.kind === "dpo") && isFineTuned(plan, before));
}

function stageOf(plan: Plan, stage: PlannedStage, field: string): PlannedStage | undefined {
  const input = stage.inputs[field];
  return input?.from === "stage" ? plan.stages.find(({ name }) => name === input.stage) : undefined;
}

function originOf(plan: Plan, stage: PlannedStage, field: string): { readonly name: string; readonly type: string } {
  const input = stage.inputs[field];
  switch (input?.from) {
    case "stage":
      return { name: input.stage, type: input.type };
    case "directory":
      return { name: input.path, type: input.type };
    case "scratch":
      return { name: input.model, type: "language-model" };
    case "data": case "file": case undefined:
      throw new TypeError(`${plan.name}: ${field} of ${stage.name} is no model`);
  }
}

function settingOf(parameters: object | undefined): string {
  return Object.entries(parameters ?? {}).map(([name, value]) => `${name} ${String(value)}`).join(", ");
}
