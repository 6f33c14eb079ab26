import { targetOf, type Draft, type DraftStage } from "./draft.js";
import type { Facts } from "./facts.js";

/** What a model goes back to. */
export interface Ancestry {
  /** The stages on the way, the nearest first: empty for an entry of `models`. */
  readonly stages: readonly DraftStage[];
  /** The entry of `models` at its root. */
  readonly root: string;
  readonly fromScratch: boolean;
  /** Longest row in tokens; undefined where the directory could not be read. */
  readonly context: number | undefined;
  /** What tells tokenizers apart: a stage's name, or the digest of a file. */
  readonly tokenizer: string | undefined;
}

/** Fields through which a stage hands on the model that its output is made from. */
const parents = ["model", "init", "policy"] as const;

/** Follows a model to its root; undefined where a name on the way is unknown, wrong or on a cycle. */
export function ancestryOf(draft: Draft, facts: Facts, name: string): Ancestry | undefined {
  const stages: DraftStage[] = [];
  for (let current = name; ;) {
    const target = targetOf(draft, current);
    if (target === undefined) return undefined;
    if (target.from === "model") {
      const fact = facts.models.get(current);
      const { entry } = target;
      return "path" in entry
        ? { stages, root: current, fromScratch: false, context: fact?.context, tokenizer: fact?.tokenizer }
        : { stages, root: current, fromScratch: true, context: entry.context, tokenizer: entry.tokenizer };
    }
    const { stage } = target;
    const field = stage.kind === "critic-pretrain" ? "init" : parents.find((each) => stage.references.some((reference) => reference.field === each));
    const parent = stage.references.find((reference) => reference.field === field)?.name;
    if (parent === undefined || stages.includes(stage)) return undefined;
    stages.push(stage);
    current = parent;
  }
}
