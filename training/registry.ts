import type { Backend } from "../backends/backend.js";
import { TruelineError } from "../foundation/errors.js";
import { stageKinds, type StageKind, type StageParameters } from "../schemas/stages/table.js";
import { checkIdentity, identityOf, writeIdentity } from "./checkpoint-identity.js";
import type { Trainer, TrainerSetup } from "./trainer.js";

/** A setup as it comes from outside: parameters not yet checked, and a backend only where the kind computes with models. */
export type UncheckedSetup = Omit<TrainerSetup<unknown>, "backend"> & { readonly backend?: Backend };

type Create = (setup: UncheckedSetup) => Promise<Trainer>;

/** One trainer a stage kind. Modules are loaded when asked for, so that a command that trains nothing stays quick. */
const trainers: Readonly<Record<StageKind, Create>> = {
  tokenizer: async (setup) => (await import("./tokenizer.js")).createTokenizer(withParameters("tokenizer", setup)),
  pretrain: async (setup) => (await import("./pretrain.js")).createPretrain(complete("pretrain", setup)),
  sft: async (setup) => (await import("./sft.js")).createSft(complete("sft", setup)),
  "reward-model": async (setup) => (await import("./reward-model.js")).createRewardModel(complete("reward-model", setup)),
  "critic-pretrain": async (setup) => (await import("./critic-pretrain.js")).createCriticPretrain(complete("critic-pretrain", setup)),
  ppo: async (setup) => (await import("./ppo.js")).createPpo(complete("ppo", setup)),
  dpo: async (setup) => (await import("./dpo.js")).createDpo(complete("dpo", setup)),
  preferences: async (setup) => (await import("./preferences.js")).createPreferences(complete("preferences", setup)),
  evaluate: async (setup) => (await import("./evaluate.js")).createEvaluate(complete("evaluate", setup)),
  "reward-accuracy": async (setup) => (await import("./reward-accuracy.js")).createRewardAccuracy(complete("reward-accuracy", setup)),
  "multiple-choice": async (setup) => (await import("./multiple-choice.js")).createMultipleChoice(complete("multiple-choice", setup)),
};

/**
 * Builds the trainer of a stage: reads inputs, loads models, and stands at the checkpoint's step where there is one.
 * Errors: TL_INTERNAL for an unknown kind or a missing backend; TL_TRAIN_CHECKPOINT for a checkpoint of another stage;
 * whatever loading finds.
 */
export async function createTrainer(kind: string, setup: UncheckedSetup): Promise<Trainer> {
  if (!isStageKind(kind)) throw new TruelineError("TL_INTERNAL", `There is no stage kind "${kind}".`);
  const identity = await identityOf(kind, stageKinds[kind].version, setup.artifacts);
  if (setup.resume !== undefined) await checkIdentity(setup.resume.directory, identity);
  const trainer = await trainers[kind](setup);
  return {
    ...trainer,
    async checkpoint(directory, steps) {
      await trainer.checkpoint(directory, steps);
      await writeIdentity(directory, identity);
    },
  };
}

function isStageKind(kind: string): kind is StageKind {
  return Object.hasOwn(stageKinds, kind);
}

function withParameters<Kind extends StageKind>(
  kind: Kind, setup: UncheckedSetup,
): Omit<TrainerSetup<StageParameters<Kind>>, "backend"> {
  const parameters = stageKinds[kind].parameters.parse(setup.parameters) as StageParameters<Kind>;
  return { ...setup, parameters };
}

function complete<Kind extends StageKind>(kind: Kind, setup: UncheckedSetup): TrainerSetup<StageParameters<Kind>> {
  const { backend } = setup;
  if (backend === undefined) throw new TruelineError("TL_INTERNAL", `A stage of kind "${kind}" was started without a backend.`);
  return { ...withParameters(kind, setup), backend };
}
