import { presetChoices, presets, resolvePpoTricks, type PresetName } from "../planner/presets.js";
import { trickNames } from "../schemas/tricks.js";

/** The presets side by side as lines of Markdown, and what of them is Trueline's choice. */
export function ppoPresetRows(): string[] {
  const names = Object.keys(presets) as PresetName[];
  const resolved = names.map((name) => resolvePpoTricks(name, {}, true));
  const rows = trickNames.map((trick) => `| \`${trick}\` | ${resolved.map((tricks) => {
    const parameters = tricks[trick];
    return parameters === undefined ? "" : Object.entries(parameters).map(([name, value]) => `${name} ${String(value)}`).join(", ") || "on";
  }).join(" | ")} |`);
  return [
    `| trick | ${names.map((name) => `\`${name}\``).join(" | ")} |`, `|---|${names.map(() => "---|").join("")}`, ...rows, "",
    "`ppo-max` mixes in pretraining text only where the stage names `pretrainingData`; a warning says where it does not. It means the critic to be",
    "pretrained: name a `critic-pretrain` stage in `critic`. Where the papers are silent the numbers are our choice:", "",
    ...names.map((name) => `- \`${name}\`: ${presetChoices[name]}.`), "",
    "`critic-pretrain` shapes its rewards and returns with `ppo-max`'s `klPenalty`, `rewardNormalization`, `gae` and `gradientClipping`, unless its",
    "`tricks` say otherwise, so that the critic meets PPO's own scale.",
  ];
}
