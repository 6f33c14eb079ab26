import type { StageResult } from "../schemas/artifact.js";
import type { Checkpoint, Skipped } from "./checkpoints.js";
import type { Damage } from "./results.js";
import type { Store } from "./store.js";

/** What happens next with a stage: `plan` announces it, and an attempt does it. `damage`: why a result that is there is not used. */
export type Standing =
  | { readonly action: "reuse"; readonly result: StageResult }
  | { readonly action: "resume"; readonly checkpoint: Checkpoint; readonly damage?: Damage }
  | { readonly action: "run"; readonly damage?: Damage };

/**
 * Decides by a stage's key alone: a finished result is reused, else the newest whole checkpoint is continued from, else the
 * stage runs from its start. `deep` hashes a checkpoint's bytes; checkpoints that can't be used are told to `onSkip`.
 */
export async function standingOf(
  { results, checkpoints }: Pick<Store, "results" | "checkpoints">, key: string,
  look: { readonly deep?: boolean; readonly onSkip?: (skipped: Skipped) => void | Promise<void> } = {},
): Promise<Standing> {
  const result = await results.find(key);
  if (result !== undefined) return { action: "reuse", result };
  const damage = await results.damage(key);
  const checkpoint = await checkpoints.newest(key, look);
  return { ...checkpoint === undefined ? { action: "run" } : { action: "resume", checkpoint }, ...(damage !== undefined && { damage }) };
}
