import { resolve } from "node:path";
import type { Plan } from "../schemas/plan.js";
import { buildPlan, type CheckedSpec } from "./build-plan.js";
import { constraintFaults } from "./constraints.js";
import { draftOf } from "./draft.js";
import { collectFacts } from "./facts.js";
import { diagnose, SpecError } from "./fault.js";
import { interpretSpec, readText } from "./read-spec.js";
import { referenceFaults } from "./references.js";

export interface PlanOptions {
  /** Directories that absolute paths in the spec may lie in. */
  readonly allowPaths?: readonly string[];
}

/**
 * Reads a spec, checks all that can be checked before anything runs, and freezes it.
 * @throws SpecError (TL_SPEC_INVALID) with every fault and its place; TL_SPEC_MISSING, TL_SPEC_UNREADABLE.
 */
export async function createPlan(specPath: string, options: PlanOptions = {}): Promise<Plan> {
  return buildPlan(await checkSpec(specPath, options));
}

async function checkSpec(specPath: string, { allowPaths = [] }: PlanOptions): Promise<CheckedSpec> {
  const text = await readText(specPath);
  const { source, value, spec, sweep, faults: formFaults, place } = interpretSpec(specPath, text);
  const draft = draftOf(value);
  const path = resolve(specPath);
  const { facts, faults: outside } = await collectFacts(draft, { specPath: path, allowPaths });
  const faults = [...formFaults, ...place([...outside, ...referenceFaults(draft, facts), ...constraintFaults(draft, facts, sweep)])];
  if (spec === undefined || faults.length > 0) throw new SpecError(specPath, diagnose(source, faults));
  return { spec, draft, facts, specPath: path, text, sweep };
}
