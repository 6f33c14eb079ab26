import { join } from "node:path";
import type { MadeEntry } from "../schemas/plan.js";
import { PAIR_FILES } from "../schemas/preferences-report.js";
import type { DataSource } from "./dataset.js";

/** The rows that a stage has left in the directory of its artifact, as a data entry: each file is of one side. */
export function madeSource({ name, format }: MadeEntry, directory: string): DataSource {
  const file = (side: keyof typeof PAIR_FILES) => ({ path: join(directory, PAIR_FILES[side]), side });
  return { name, format, path: directory, files: [file("train"), file("heldOut")], holdout: 0, maxBadShare: 0 };
}
