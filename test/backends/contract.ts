import { trainsAdapters } from "./contract/adapters.js";
import { refusesFaults } from "./contract/errors.js";
import { differentiatesExpressions } from "./contract/expressions.js";
import { knowsFamilies } from "./contract/families.js";
import { generatesFromUniforms } from "./contract/generation.js";
import { agreesWithTorch } from "./contract/golden.js";
import { loadsAndSaves } from "./contract/heads.js";
import { treatsRowsAlone } from "./contract/rows.js";
import { type Candidate, useBackend } from "./contract/support.js";
import { updatesOnlyWhenItShould } from "./contract/training.js";

/** What every backend promises; each names its own rounding. */
export function keepsTheContract(candidate: Candidate): void {
  const use = useBackend(candidate);
  agreesWithTorch(use);
  differentiatesExpressions(use);
  treatsRowsAlone(use);
  updatesOnlyWhenItShould(use);
  loadsAndSaves(use);
  knowsFamilies(use);
  generatesFromUniforms(use);
  trainsAdapters(use);
  refusesFaults(use, candidate);
}
