import { sha256 } from "../../foundation/canonical.js";
import { buildPlan } from "../../planner/build-plan.js";
import { constraintFaults } from "../../planner/constraints.js";
import { draftOf } from "../../planner/draft.js";
import type { Facts } from "../../planner/facts.js";
import { diagnose, type Diagnostic } from "../../planner/fault.js";
import { interpretSpec } from "../../planner/read-spec.js";
import { referenceFaults } from "../../planner/references.js";
import { warningsOf } from "../../planner/warnings.js";
import type { Plan, PlannedStage } from "../../schemas/plan.js";

export type Members = Record<string, unknown>;
interface Pipeline extends Members {
  data: Record<string, Members>;
  models: Record<string, Members>;
  stages: Record<string, Members>;
}

/** A whole pipeline as a person would write it; a new copy each time. */
export function pipeline(change: (spec: Pipeline) => void = () => undefined): Pipeline {
  const spec: Pipeline = {
    version: 1, name: "demo", seed: 7,
    data: { hh: { format: "hh-rlhf", path: "hh.jsonl", holdout: 0.1 }, book: { format: "text", path: "book.txt" } },
    models: { tiny: { architecture: "llama", layers: 2, hidden: 32, heads: 2, context: 64, tokenizer: "bpe" } },
    stages: {
      bpe: { kind: "tokenizer", data: ["hh", "book"], vocabulary: 300 },
      base: { kind: "pretrain", model: "tiny", data: "book", steps: 10 },
      sft: { kind: "sft", model: "base", data: "hh" },
      rm: { kind: "reward-model", model: "sft", data: "hh" },
      critic: { kind: "critic-pretrain", policy: "sft", reward: "rm", init: "rm", prompts: "hh" },
      ppo: { kind: "ppo", policy: "sft", reward: "rm", critic: "critic", prompts: "hh", pretrainingData: "book" },
      eval: { kind: "evaluate", candidate: "ppo", baseline: "sft", reward: "rm", prompts: "hh", gold: "sample" },
    },
  };
  change(spec);
  return spec;
}

/** The world as if every data entry's file held its own path. */
export function factsFor(spec: { readonly data?: Record<string, Members> }, models: Facts["models"] = new Map()): Facts {
  const data = Object.entries(spec.data ?? {}).map(([name, { path }]) => [name, { path: `/data/${String(path)}`, digest: sha256(String(path)) }] as const);
  return { data: new Map(data), models, modules: new Map(), answers: new Map() };
}

/** The faults of a spec's text, as `createPlan` would list them, files left out. */
export function faultsOf(spec: unknown, facts: Facts = { data: new Map(), models: new Map(), modules: new Map(), answers: new Map() }): Diagnostic[] {
  const text = typeof spec === "string" ? spec : JSON.stringify(spec, undefined, 2);
  const { source, value, sweep, faults, place } = interpretSpec("spec.json", text);
  const draft = draftOf(value);
  return diagnose(source, [...faults, ...place([...referenceFaults(draft, facts), ...constraintFaults(draft, facts, sweep)])]);
}

/** The plan of a spec that has no faults. */
export function planOf(value: Pipeline, facts: Facts = factsFor(value)): Plan {
  const { spec, sweep, value: expanded } = interpretSpec("spec.json", JSON.stringify(value));
  if (spec === undefined) throw new Error(`faults: ${faultsOf(value, facts).map(({ field, message }) => `${field}: ${message}`).join("; ")}`);
  return buildPlan({ spec, draft: draftOf(expanded), facts, specPath: "/spec.json", text: "", sweep });
}

export function stageOf(plan: Plan, name: string): PlannedStage {
  const stage = plan.stages.find((each) => each.name === name);
  if (stage === undefined) throw new Error(`no stage ${name}`);
  return stage;
}

export function warningsFor(value: Pipeline): string[] {
  return warningsOf(draftOf(value), factsFor(value));
}

/** A row of the file that the spec's data entry names. */
export const hhRow = `${JSON.stringify({ chosen: "\n\nHuman: hi\n\nAssistant: hello", rejected: "\n\nHuman: hi\n\nAssistant: no" })}\n`;
