import { createContext, Script } from "node:vm";

const room: { work?: () => unknown } = {};
const context = createContext(room);
const script = new Script("work()");

/** Tells that work was ended because it took too long. */
export class TimeBound extends Error {
  override readonly name = "TimeBound";
}

/**
 * Does synchronous work and ends it when it takes longer than some milliseconds: a regular expression that backtracks for
 * ever, a loop of a template. It is done once more then, in case the process was only held up; so it must have no effects.
 * Throws TimeBound, and what the work throws.
 */
export function bounded<T>(milliseconds: number, work: () => T): T {
  const before = room.work;
  let result: { readonly value: T } | undefined;
  room.work = () => { result = { value: work() }; };
  try {
    for (let attempts = 0; attempts < 2 && result === undefined; attempts++) {
      try {
        script.runInContext(context, { timeout: Math.ceil(milliseconds) });
      } catch (error) {
        if (!isTimeout(error)) throw error;
      }
    }
  } finally {
    room.work = before;
  }
  if (result === undefined) throw new TimeBound(`it took longer than ${(milliseconds / 1000).toPrecision(2)} s`);
  return result.value;
}

function isTimeout(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
}
