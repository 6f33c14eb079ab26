import { differentiatesExpressions } from "./contract/expressions.js";
import { agreesWithTorch } from "./contract/golden.js";
import { type Candidate, useBackend } from "./contract/support.js";

/** What every backend promises; each names its own rounding. */
export function keepsTheContract(candidate: Candidate): void {
  const use = useBackend(candidate);
  agreesWithTorch(use);
  differentiatesExpressions(use);
}
