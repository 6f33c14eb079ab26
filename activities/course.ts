import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { canonicalJson } from "../foundation/canonical.js";
import { TruelineError } from "../foundation/errors.js";
import { changeSchema, type Change } from "../schemas/guards.js";
import { readIfThere } from "../store/files.js";
import type { Breach, Past } from "../training/guards.js";

/** What rollbacks there were; in checkpoints and artifacts of stages that have gone back. */
const ROLLBACKS_FILE = "rollbacks.json";
/** The metrics of steps that were discarded: the lines of metrics.jsonl, with the number of the rollback that discarded them. */
const DISCARDED_FILE = "discarded-metrics.jsonl";

const rollbacksSchema = z.array(z.strictObject({
  guard: z.string(), from: z.number().int(), to: z.number().int(), change: changeSchema,
}));

export type Rollback = z.output<typeof rollbacksSchema>[number];

/** How a stage came to where it stands: its rollbacks, oldest first, and the metrics of the steps that they discarded. */
export interface Course {
  readonly rollbacks: readonly Rollback[];
  readonly discarded: string;
}

/** The course that a checkpoint is on; a new one without a checkpoint. Errors: TL_TRAIN_CHECKPOINT. */
export async function readCourse(checkpoint: string | undefined): Promise<Course> {
  if (checkpoint === undefined) return { rollbacks: [], discarded: "" };
  const path = join(checkpoint, ROLLBACKS_FILE);
  try {
    const rollbacks = rollbacksSchema.parse(JSON.parse(await readIfThere(path) ?? "[]"));
    return { rollbacks, discarded: await readIfThere(join(checkpoint, DISCARDED_FILE)) ?? "" };
  } catch (cause) {
    throw new TruelineError("TL_TRAIN_CHECKPOINT", `${path} does not tell of rollbacks.`, { cause });
  }
}

/** Writes a course's files, if it has gone back, into a directory that is made where it is missing. */
export async function writeCourse(directory: string, { rollbacks, discarded }: Course): Promise<void> {
  await mkdir(directory, { recursive: true });
  if (rollbacks.length === 0) return;
  await writeFile(join(directory, ROLLBACKS_FILE), `${canonicalJson(rollbacks)}\n`, { flush: true });
  await writeFile(join(directory, DISCARDED_FILE), discarded, { flush: true });
}

/** The course after a breach that rolls back, and the metrics that are left of `metrics`, the text of metrics.jsonl so far. */
export function rolledBack(course: Course, breach: Breach, metrics: string): { readonly course: Course; readonly metrics: string } {
  const { guard, step: from, to = 0, change = {} } = breach;
  const lines = metrics.split("\n").slice(0, -1);
  const number = course.rollbacks.length + 1;
  const discarded = lines.slice(to).map((line) => `${line.slice(0, -1)},"rollback":${number}}\n`);
  return {
    course: { rollbacks: [...course.rollbacks, { guard, from, to, change }], discarded: course.discarded + discarded.join("") },
    metrics: lines.slice(0, to).map((line) => `${line}\n`).join(""),
  };
}

/** What the guards need to know of a course. */
export function pastOf({ rollbacks }: Course): Pick<Past, "rolledBack" | "since"> {
  return { rolledBack: rollbacks.map(({ guard }) => guard), since: rollbacks.at(-1)?.to ?? 0 };
}

/** All that rollbacks have changed, the newest word counting; tricks one by one. */
export function overridesOf({ rollbacks }: Course): Change {
  return rollbacks.reduce<Change>((sum, { change }) => merged(sum, change), {});
}

/** Complete parameters with the changes of the rollbacks. */
export function changedParameters(parameters: Change, course: Course): Change {
  return merged(parameters, overridesOf(course));
}

function merged(before: Change, change: Change): Change {
  const [old, fresh] = [before["tricks"], change["tricks"]];
  return { ...before, ...change, ...(isObject(old) && isObject(fresh) && { tricks: { ...old, ...fresh } }) };
}

function isObject(value: Change[string] | undefined): value is Change {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
