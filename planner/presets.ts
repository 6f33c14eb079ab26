import { z } from "zod";
import { trickNames, trickParameters, type ResolvedTricks, type TrickName } from "../schemas/tricks.js";
import type { StageParameters } from "../schemas/stages/table.js";

export type PresetName = StageParameters<"ppo">["preset"];
type Preset = { readonly [Name in TrickName]?: z.input<(typeof trickParameters)[Name]> };

/**
 * Whole sets of tricks. Numbers that the papers leave open are Trueline's choice, listed in `presetChoices`.
 * Sources: P figure 5 and §5.4 (ppo-max), P §5.2 (vanilla), the scripts of C (moss-rlhf-release), arXiv 2402.14740 and TRL 0.11.4 (rloo),
 * arXiv 2402.03300 (grpo).
 */
export const presets: Readonly<Record<PresetName, Preset>> = {
  vanilla: {
    gae: { lambda: 0.9, gamma: 1 },
    clippedSurrogate: { range: 0.2 },
    gradientClipping: { norm: 1 },
  },
  "ppo-max": {
    klPenalty: { coefficient: 0.05 },
    rewardNormalization: { clip: 0.8 },
    valueClipping: { range: 0.2 },
    gae: { lambda: 0.9, gamma: 1 },
    clippedSurrogate: { range: 0.2 },
    gradientClipping: { norm: 1 },
    pretrainingLoss: { coefficient: 0.1 },
  },
  "moss-rlhf-release": {
    klPenalty: { coefficient: 0.01 },
    rewardScaling: {},
    valueClipping: { range: 0.2 },
    gae: { lambda: 0.95, gamma: 1 },
    clippedSurrogate: { range: 0.2 },
    gradientClipping: { norm: 1 },
  },
  rloo: {
    klPenalty: { coefficient: 0.05 },
    clippedSurrogate: { range: 0.2 },
    gradientClipping: { norm: 1 },
    groupBaseline: { samples: 4, baseline: "leave-one-out", scale: false },
    sequenceRatio: {},
  },
  grpo: {
    clippedSurrogate: { range: 0.2 },
    gradientClipping: { norm: 1 },
    groupBaseline: { samples: 4, baseline: "mean", scale: true },
    klLoss: { coefficient: 0.04 },
    lossAggregation: { mode: "answer-mean" },
  },
};

/** What a preset fixes without the papers' word for it. */
export const presetChoices: Readonly<Record<PresetName, string>> = {
  vanilla: "λ 0.9 and a gradient norm of 1 are our choice, so that vanilla differs from ppo-max in its tricks alone",
  "ppo-max": "η 0.05, δ 0.8 and a ptx coefficient of 0.1 are our choice: the paper tests several and names no final value",
  "moss-rlhf-release": "η 0.01 is the English script's; the code's default is 0.02, the Chinese script has 0.1",
  rloo: "η 0.05 and a clip of the ratio at 0.2 are TRL's, whose RLOO takes several updates from the same answers; the paper takes one, and its ratio is 1. 4 answers a prompt are the paper's",
  grpo: "4 answers a prompt are our choice, where the paper has 64; β 0.04 is the paper's, the clip of 0.2 is TRL's",
};

/** ppo-max's shape of rewards and returns, which critic pretraining shares so that the critic meets PPO's own scale. */
const criticDefaults: Preset = {
  klPenalty: presets["ppo-max"].klPenalty,
  rewardNormalization: presets["ppo-max"].rewardNormalization,
  gae: presets["ppo-max"].gae,
  gradientClipping: presets["ppo-max"].gradientClipping,
};

const resolvedTricksSchema: z.ZodType<ResolvedTricks> = z.strictObject(trickParameters).partial();

/** Tricks as a spec writes them, before defaults: an object or `false` by name. */
export type WrittenTricks = Readonly<Record<string, unknown>>;

/** The tricks of a ppo stage that are on, complete. `hasText`: whether the stage names pretraining data. */
export function resolvePpoTricks(preset: PresetName, written: WrittenTricks, hasText: boolean): ResolvedTricks {
  const { pretrainingLoss, ...others } = merge(presets[preset], written);
  return hasText && pretrainingLoss !== undefined ? { ...others, pretrainingLoss } : others;
}

/** The tricks of a critic-pretrain stage that are on, complete. */
export function resolveCriticTricks(written: WrittenTricks): ResolvedTricks {
  return merge(criticDefaults, written);
}

/** Tricks that a change names, complete: missing members from the trick as it is, then from the schema's default; `false` turns off. */
export function changedTricks(on: ResolvedTricks, written: WrittenTricks): Readonly<Record<string, object | false>> {
  const after: Readonly<Record<string, object | undefined>> = merge(on, written);
  return Object.fromEntries(Object.keys(written).map((name) => [name, after[name] ?? false]));
}

/** `false` is off; an object is on, its missing members from the preset's value, then from the schema's default. */
function merge(preset: Preset, written: WrittenTricks): ResolvedTricks {
  const on = trickNames.flatMap((name) => {
    const own = written[name];
    if (own === false || (own === undefined && preset[name] === undefined)) return [];
    return [[name, { ...preset[name], ...(own ?? {}) }]];
  });
  return resolvedTricksSchema.parse(Object.fromEntries(on));
}
