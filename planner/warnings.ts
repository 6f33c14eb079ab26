import type { StageSpec } from "../schemas/spec.js";
import { templatesOf, type PlannedSweep } from "../schemas/sweep.js";
import type { ResolvedTricks } from "../schemas/tricks.js";
import { fewNames } from "../foundation/text.js";
import { ancestryOf } from "./ancestry.js";
import { writtenTricks } from "./constraints.js";
import { targetOf, type Draft, type DraftStage } from "./draft.js";
import type { Facts } from "./facts.js";
import { resolveCriticTricks, resolvePpoTricks } from "./presets.js";
import { typeOf } from "./references.js";
import { rewardWarnings } from "./rewards.js";

type Stage<Kind extends StageSpec["kind"]> = Extract<StageSpec, { readonly kind: Kind }>;

/** What a spec may do and probably should not, one sentence each, the stage's name first; what copies of a sweep share is said once. */
export function warningsOf(draft: Draft, facts: Facts, sweep?: PlannedSweep): string[] {
  const copied = templatesOf(sweep);
  const alike = new Map<string, string[]>();
  for (const stage of draft.stages.values()) {
    if (stage?.complete === undefined) continue;
    for (const text of stageWarnings(draft, facts, stage, stage.complete)) {
      const place = copied.has(stage.name) ? text : `${stage.name}: ${text}`;
      alike.set(place, [...alike.get(place) ?? [], stage.name]);
    }
  }
  const ofStages = [...alike].map(([text, names]) => text.startsWith(`${names[0]!}: `) ? text : `${fewNames(names)}: ${text}`);
  return [...ofStages, ...unusedWarnings(draft), ...baseWarnings(draft, facts)];
}

function stageWarnings(draft: Draft, facts: Facts, stage: DraftStage, complete: StageSpec): string[] {
  const device = complete.resources.executionProviders?.includes("cuda") && complete.resources.gpus === 0
    ? ["asks for the provider cuda and for no GPU; set `resources.gpus` so that a worker with one takes it"]
    : [];
  switch (complete.kind) {
    case "ppo":
      return [...device, ...rewardWarnings(complete.reward), ...rolloutWarnings(complete), ...ppoWarnings(draft, facts, stage, complete)];
    case "critic-pretrain":
      return [...device, ...rewardWarnings(complete.reward), ...rolloutWarnings(complete), ...samplingWarnings(complete), ...headWarnings(draft, facts, complete.init)];
    case "evaluate":
      return [...device, ...evaluateWarnings(draft, facts, complete)];
    case "reward-model":
      return [...device, ...paddingWarnings(draft, facts, complete.model)];
    case "multiple-choice":
      return [...device, ...shotWarnings(facts, complete)];
    case "tokenizer": case "pretrain": case "sft": case "dpo": case "preferences": case "reward-accuracy":
      return device;
  }
}

function ppoWarnings(draft: Draft, facts: Facts, stage: DraftStage, complete: Stage<"ppo">): string[] {
  const written = writtenTricks(stage);
  const on = resolvePpoTricks(complete.preset, written, complete.pretrainingData !== undefined);
  const wanted = resolvePpoTricks(complete.preset, written, true);
  const policy = ancestryOf(draft, facts, complete.policy);
  // A directory may well hold a fine-tuned model; only a history without SFT that is known is worth a warning.
  const untuned = policy !== undefined && !policy.stages.some(({ kind }) => kind === "sft" || kind === "ppo") && (policy.fromScratch || policy.stages.length > 0);
  const unmixed = wanted.pretrainingLoss !== undefined && complete.pretrainingData === undefined;
  return [
    ...mixtureWarnings(on),
    ...(untuned ? [`the policy \`${complete.policy}\` comes from no sft stage; without SFT, PPO fails (P figure 5, detail 9)`] : []),
    ...(unmixed ? [`preset ${complete.preset} mixes pretraining text into the loss, and the stage names no \`pretrainingData\`: pretrainingLoss is off`] : []),
    ...(complete.pretrainingData !== undefined && on.pretrainingLoss === undefined
      ? ["`pretrainingData` is named and pretrainingLoss is off: the data is not used"] : []),
    ...(on.entropyBonus ? ["entropyBonus is on: P finds it sensitive to its clip (a change of 10 % breaks training) and advises against it"] : []),
    ...samplingWarnings(complete),
    ...(complete.critic === undefined ? [] : [...criticWarnings(draft, complete, complete.critic, on), ...headWarnings(draft, facts, complete.critic)]),
  ];
}

/** P appendix B.1 and §5.4: which ways of shaping scores were seen to go together. */
function mixtureWarnings(on: ResolvedTricks): string[] {
  const warnings: string[] = [];
  const penalised = (on.klPenalty?.coefficient ?? 0) > 0;
  if (on.rewardNormalization && on.valueClipping && !penalised) {
    warnings.push("rewardNormalization with valueClipping and no klPenalty collapses near step 800 (P appendix B.1); turn klPenalty on");
  }
  if (penalised && on.klLoss) {
    warnings.push("klPenalty and klLoss both hold the policy to the reference; turn one off");
  }
  if (on.groupInvariance && on.groupInvariance.klWeight !== "off" && !penalised) {
    warnings.push("groupInvariance weighs the KL penalty by group, and klPenalty is off: nothing is weighed");
  }
  if (on.rewardNormalization && on.rewardScaling) {
    warnings.push("rewardNormalization and rewardScaling are alternatives, and both are on; turn one off");
  }
  if (on.rewardNormalization && on.advantageNormalization) {
    warnings.push("rewardNormalization with advantageNormalization converged in P appendix B.1, which warns against mixing score reparameterisations");
  }
  if (on.rewardScaling && on.advantageNormalization && on.valueClipping) {
    warnings.push("rewardScaling with advantageNormalization and valueClipping converged in P appendix B.1, which warns against mixing score reparameterisations");
  }
  return warnings;
}

function rolloutWarnings({ minibatch, rollouts }: Stage<"ppo"> | Stage<"critic-pretrain">): string[] {
  return minibatch <= rollouts ? [] : [
    `\`minibatch\` is ${minibatch} by default and there are only ${rollouts} \`rollouts\`: every update takes all ${rollouts} answers; write at most ${rollouts}`,
  ];
}

function samplingWarnings({ topP, topK, repetitionPenalty }: Stage<"ppo"> | Stage<"critic-pretrain">): string[] {
  const filters = [topP < 1 && "topP", topK > 0 && "topK", repetitionPenalty !== 1 && "repetitionPenalty"].filter((each) => each !== false);
  return filters.length === 0 ? [] : [
    `${filters.join(" and ")} filter${filters.length === 1 ? "s" : ""} the rollouts: answers are drawn from another distribution than their log-probabilities tell; the discrepancy is reported beside the KL`,
  ];
}

/** Whether the critic starts as the preset means it to, on the scale that PPO will use. */
function criticWarnings(draft: Draft, complete: Stage<"ppo">, name: string, on: ResolvedTricks): string[] {
  const critic = draft.stages.get(name);
  if (critic?.kind !== "critic-pretrain") {
    return complete.preset === "ppo-max" ? ["preset ppo-max means the critic to be pretrained; name a critic-pretrain stage in `critic`"] : [];
  }
  const before = resolveCriticTricks(writtenTricks(critic));
  const others = (["rewardNormalization", "rewardScaling", "gae"] as const).filter((name) => JSON.stringify(before[name]) !== JSON.stringify(on[name]));
  return others.length === 0 ? [] : [
    `the critic \`${name}\` was pretrained under other settings of ${others.join(", ")}; its values start on another scale`,
  ];
}

/** A head that nothing has trained yet starts where nobody would look for it. */
function headWarnings(draft: Draft, facts: Facts, critic: string): string[] {
  const target = targetOf(draft, critic);
  return target !== undefined && typeOf(target, facts) === "language-model"
    ? [`the critic starts from the language model \`${critic}\`, which has no value head: a new one of zeros is made`] : [];
}

/** Trueline pads nothing; transformers finds the last token of a padded row by the padding token. */
function paddingWarnings(draft: Draft, facts: Facts, model: string): string[] {
  const root = ancestryOf(draft, facts, model)?.root;
  const padding = root === undefined ? undefined : facts.models.get(root)?.padding;
  const advice = "give config.json and generation_config.json of the model a `pad_token_id` of its own";
  switch (padding) {
    case "end": return [`\`${root}\` pads with its end token: of rows that it pads, transformers scores the token before the end, Trueline the end; ${advice}`];
    case "none": return [`\`${root}\` has no padding token: transformers scores its rows one at a time only; ${advice}`];
    case "own": case undefined: return [];
  }
}

function evaluateWarnings(draft: Draft, facts: Facts, complete: Stage<"evaluate">): string[] {
  const candidate = ancestryOf(draft, facts, complete.candidate);
  const trainedOn = candidate?.stages.some((stage) => stage.references.some(({ field, name }) => field === "reward" && name === complete.reward));
  return [
    ...((complete.judges?.[0] ?? (complete.gold === undefined ? "reward-model" : "gold")) === "reward-model" && trainedOn
      ? [`\`${complete.candidate}\` was trained against the judge \`${String(complete.reward)}\`, whose score rises even while a policy collapses; a held-out judge shows it`] : []),
    ...(complete.pairs !== undefined && complete.reward === undefined
      ? ["`pairs` gives a reward model's accuracy, and no `reward` is named: the pairs are not used"] : []),
  ];
}

/** Examples that are the questions themselves, told with their answers. */
function shotWarnings(facts: Facts, { questions, shots, fewShot }: Stage<"multiple-choice">): string[] {
  if (shots === undefined || fewShot === 0) return [];
  const digests = (name: string): string[] => {
    const fact = facts.data.get(name);
    return fact === undefined ? [] : (fact.files ?? [fact]).map(({ digest }) => digest);
  };
  const asked = new Set(digests(questions));
  const shared = digests(shots).some((digest) => asked.has(digest));
  return shared ? [`\`shots\` and \`questions\` are ${shots === questions ? `both \`${shots}\`` : "of the same file"}: questions are shown with their answers before they are asked; name other questions in \`shots\``] : [];
}

/** What PEFT wrote of the model under an adapter is a name or a path of another machine: one that does not fit the base is worth a look. */
function baseWarnings(draft: Draft, facts: Facts): string[] {
  return [...facts.models].flatMap(([name, { calledBase }]) => {
    const entry = draft.models.get(name);
    return calledBase === undefined || entry === undefined || !("path" in entry) ? []
      : [`model ${name}: its adapter_config.json calls the model under it ${JSON.stringify(calledBase)}, and \`base\` is ${entry.base ?? ""}`];
  });
}

function unusedWarnings(draft: Draft): string[] {
  const stages = [...draft.stages.values()].filter((stage) => stage !== undefined);
  const bases = [...draft.models.values()].flatMap((entry) => (entry !== undefined && "path" in entry && entry.base !== undefined ? [entry.base] : []));
  const used = new Set([...bases, ...stages.flatMap(({ references }) => references.map(({ name }) => name))]);
  return [
    ...[...draft.data.keys()].filter((name) => !used.has(name)).map((name) => `data entry ${name}: no stage uses it`),
    ...[...draft.models.keys()].filter((name) => !used.has(name)).map((name) => `model ${name}: no stage uses it`),
  ];
}
