import { isDeepStrictEqual } from "node:util";
import type { Random } from "../../foundation/random.js";
import type { Outcome } from "./outcome.js";
import type { Place } from "./place.js";

export type Figures = Readonly<Record<string, number | string | Readonly<Record<string, number>>>>;

/** What a scenario is given. */
export interface Ground {
  /** Random numbers that follow from the suite's seed. */
  random(...path: readonly (string | number)[]): Random;
  /** What a spec leaves in a run that nothing disturbs; made once for all scenarios. */
  expected(spec: unknown): Promise<Outcome>;
  /** An empty project, removed when the scenario has ended well. */
  place(name: string): Promise<Place>;
  /** Says on stderr what is going on. */
  say(text: string): void;
  /** Milliseconds that the suite has left. */
  left(): number;
}

export interface Scenario {
  readonly name: string;
  /** What it does, in a sentence. */
  readonly does: string;
  /** What must hold afterwards. */
  readonly holds: string;
  /** Gives figures; throws Broken for what did not hold, Skipped where this machine does not allow it. */
  run(ground: Ground): Promise<Figures>;
}

export class Broken extends Error {
  override readonly name = "Broken";
}

/** Why a scenario can't be run here. */
export class Skipped extends Error {
  override readonly name = "Skipped";
}

export function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Broken(otherwise);
}

export function mustEqual(found: unknown, expected: unknown, what: string): void {
  must(isDeepStrictEqual(found, expected), `${what}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
}
