import { goldScorer } from "../data/gold.js";
import type { Tokenizer } from "../models/tokenizer.js";
import type { StageParameters } from "../schemas/stages/table.js";
import { mean } from "./experience.js";
import { loadFrozen } from "./models.js";
import type { StagePrompts } from "./prompts.js";
import type { Rollouts } from "./rollouts.js";
import type { Metrics, TrainerSetup } from "./trainer.js";

const model = "heldOutReward";

/** Scores an iteration's answers; absent where the stage names no such judge. */
export type UnseenScores = (rollouts: Rollouts) => Promise<Metrics>;

/**
 * The judges that never train the policy, whose verdict tells a better policy from one that exploits its reward model:
 * the gold score, and a held-out reward model, normalised as the training one is. Source: P §5.2; Gao et al., "Scaling
 * Laws for Reward Model Overoptimization".
 */
export async function unseenScores(
  setup: TrainerSetup<StageParameters<"ppo">>, prompts: StagePrompts, tokenizer: Tokenizer,
): Promise<UnseenScores> {
  const { backend, parameters, artifacts } = setup;
  const gold = parameters.gold === undefined ? undefined : goldScorer(parameters.gold);
  const heldOut = artifacts["heldOutReward"];
  if (heldOut !== undefined) await loadFrozen(setup, { model, head: "score", from: heldOut });
  const { mean: centre, std } = heldOut?.metadata.scoreNormalization ?? { mean: 0, std: 1 };

  return async (rollouts) => ({
    ...(gold !== undefined && {
      "objective/gold": mean(rollouts.answers.map((answer, row) => gold(
        prompts.rows.at(rollouts.prompts[row]!)!.messages, tokenizer.decode(answer, { skipSpecial: true }), rollouts.finished[row]!,
      ))),
    }),
    ...(heldOut !== undefined && { "objective/held_out_scores": (mean(await rawScores(rollouts)) - centre) / std }),
  });

  async function rawScores({ sequences, targets }: Rollouts): Promise<Float32Array> {
    return (await backend.forward(model, { batch: { sequences, targets }, quantities: ["scores"] })).scores!;
  }
}
