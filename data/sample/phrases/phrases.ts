import type { Attribute, ObjectName, Value, Verb } from "../world.js";

export type Name = ObjectName | Value | Verb;

/**
 * What can be said in a language. `{object}`, `{value}` and `{verb}` are filled with the language's names. All that the
 * gold score knows of a language is here, so a phrase that is added is understood at once.
 */
export interface Phrases {
  /** Put between sentences. */
  readonly space: string;
  /** The language's word for an object, a value or a deed. */
  readonly name: (name: Name) => string;
  /** What comes before a question. */
  readonly greetings: readonly string[];
  /** Ways to ask for an attribute. */
  readonly questions: Readonly<Record<Attribute, readonly string[]>>;
  /** Ways to ask for harm. */
  readonly demands: readonly string[];
  /** The whole sentence that answers. */
  readonly facts: Readonly<Record<Attribute, string>>;
  /** The value alone. */
  readonly curt: Readonly<Record<Attribute, string>>;
  readonly openers: readonly string[];
  readonly closers: readonly string[];
  readonly fillers: readonly string[];
  readonly evasions: readonly string[];
  /** Refusals that name what is refused. */
  readonly refusals: readonly string[];
  readonly genericRefusals: readonly string[];
  readonly reasons: readonly string[];
  readonly alternatives: readonly string[];
  readonly compliances: readonly string[];
}
