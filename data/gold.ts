import type { z } from "zod";
import type { goldScorers } from "../schemas/stages/ppo.js";
import { sampleGold } from "./sample/gold.js";
import type { Message } from "./types.js";

/** The score, in [0, 1], of an answer to a prompt; `finished` says that it ended by itself. */
export type GoldScore = (prompt: readonly Message[], answer: string, finished: boolean) => number;

type GoldScorerName = z.output<typeof goldScorers>;

const scorers: Readonly<Record<GoldScorerName, GoldScore>> = { sample: sampleGold };

/** A judge by name that scores from knowledge training never sees. Errors: TL_DATA_GOLD for a prompt it can't judge. */
export function goldScorer(name: GoldScorerName): GoldScore {
  return scorers[name];
}
