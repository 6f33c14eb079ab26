import type { Backend } from "../backends/backend.js";
import { TruelineError } from "../foundation/errors.js";
import { stageKinds, type StageKind, type StageParameters } from "../schemas/stages/table.js";
import { checkIdentity, identityOf, writeIdentity } from "./checkpoint-identity.js";
import { createCriticPretrain } from "./critic-pretrain.js";
import { createDpo } from "./dpo.js";
import { createEvaluate } from "./evaluate.js";
import { createMultipleChoice } from "./multiple-choice.js";
import { createPpo } from "./ppo.js";
import { createPreferences } from "./preferences.js";
import { createPretrain } from "./pretrain.js";
import { createRewardAccuracy } from "./reward-accuracy.js";
import { createRewardModel } from "./reward-model.js";
import { createSft } from "./sft.js";
import { createTokenizer } from "./tokenizer.js";
import type { Trainer, TrainerSetup } from "./trainer.js";

/** A setup as it comes from outside: parameters not yet checked, and a backend only where the kind computes with models. */
export type UncheckedSetup = Omit<TrainerSetup<unknown>, "backend"> & { readonly backend?: Backend };

type Create = (setup: UncheckedSetup) => Promise<Trainer>;

/** One trainer a stage kind. All are loaded at once: a worker goes on with the code that it began with, also where that is built anew under it. */
const trainers: Readonly<Record<StageKind, Create>> = {
  tokenizer: async (setup) => createTokenizer(withParameters("tokenizer", setup)),
  pretrain: async (setup) => createPretrain(complete("pretrain", setup)),
  sft: async (setup) => createSft(complete("sft", setup)),
  "reward-model": async (setup) => createRewardModel(complete("reward-model", setup)),
  "critic-pretrain": async (setup) => createCriticPretrain(complete("critic-pretrain", setup)),
  ppo: async (setup) => createPpo(complete("ppo", setup)),
  dpo: async (setup) => createDpo(complete("dpo", setup)),
  preferences: async (setup) => createPreferences(complete("preferences", setup)),
  evaluate: async (setup) => createEvaluate(complete("evaluate", setup)),
  "reward-accuracy": async (setup) => createRewardAccuracy(complete("reward-accuracy", setup)),
  "multiple-choice": async (setup) => createMultipleChoice(complete("multiple-choice", setup)),
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
