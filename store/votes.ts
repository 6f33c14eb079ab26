import type { LedgerEntry } from "../schemas/events.js";
import type { Vote } from "../schemas/votes.js";

/** The votes on an evaluation's answers that a run's ledger tells of. @param artifact of the evaluation: votes on another one are on other answers. */
export function votesOn(entries: readonly LedgerEntry[], stage: string, artifact: string): Vote[] {
  return entries.flatMap(({ event }) => (event.type === "votes-imported" && event.stage === stage && event.artifact === artifact ? event.votes : []));
}
