import { digestOf } from "../../foundation/canonical.js";
import type { TextScorer, WrittenAnswer } from "./reward.js";

/** Scores that are kept; beyond, the oldest are forgotten. */
const mostKept = 50_000;

/**
 * Keeps the scores that a server has given: the same answer to the same prompt is asked about once, and has the same score whenever it comes
 * again, in a resumed stage too, which gets what was kept with its checkpoint.
 */
export class Received {
  private readonly kept: Map<string, number>;

  constructor(before: Readonly<Record<string, number>> = {}) {
    this.kept = new Map(Object.entries(before));
  }

  /** The same scorer, asked about what it has not scored yet. */
  over(score: TextScorer): TextScorer {
    return async (answers) => {
      const names = answers.map(nameOf);
      const fresh = new Map(answers.flatMap((answer, row) => (this.kept.has(names[row]!) ? [] : [[names[row]!, answer] as const])));
      const scores = fresh.size === 0 ? [] : await score([...fresh.values()]);
      [...fresh.keys()].forEach((name, index) => this.kept.set(name, scores[index]!));
      const found = names.map((name) => this.kept.get(name)!);
      for (const name of this.kept.keys()) {
        if (this.kept.size <= mostKept) break;
        this.kept.delete(name);
      }
      return found;
    };
  }

  state(): Record<string, number> {
    return Object.fromEntries(this.kept);
  }
}

const nameOf = (answer: WrittenAnswer): string => digestOf({
  prompt: answer.prompt.map(({ role, content }) => ({ role, content })), answer: answer.answer, finished: answer.finished, tokens: answer.tokens, tags: { ...answer.tags },
});
