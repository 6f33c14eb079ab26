import type { StageEnd, StageOutcome } from "../../schemas/task.js";

/** What an attempt left that asked nothing. */
export function outcome(end: StageEnd): StageOutcome {
  if ("gate" in end) throw new Error(end.question);
  if ("rung" in end) throw new Error(`it waits at step ${end.rung}`);
  return end;
}
