import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../foundation/random.js";
import type { Place } from "./place.js";

/** What the killer waits for: any moment, a checkpoint that is being written, an artifact that is being written. */
const moments = ["any", "checkpoint", "publish"] as const;

/** How a command has ended, once it has. */
export interface End {
  code?: number | null;
  words?: string;
}

/** Waits for a random moment of a random sort, or until the command has ended. */
export async function untilMoment(place: Place, random: Random, ended: End): Promise<void> {
  const moment = random.pick(moments);
  const deadline = performance.now() + random.uniform() * 4000;
  const extra = random.uniform() * 20;
  const before = scratchOf(place);
  while (performance.now() < deadline && ended.code === undefined) {
    const now = scratchOf(place);
    if (moment === "checkpoint" && now.some((path) => /checkpoint-/.test(path) && !before.includes(path))) break;
    if (moment === "publish" && now.some((path) => /output\/./.test(path) && !before.includes(path))) break;
    await sleep(moment === "any" ? 50 : 2);
  }
  await sleep(extra);
}

/** Directories of checkpoints and files of artifacts that are being written. */
export function scratchOf(place: Place): string[] {
  const folder = join(place.home, "scratch");
  return namesIn(folder).flatMap((attempt) => [
    ...namesIn(join(folder, attempt)).map((name) => join(attempt, name)),
    ...namesIn(join(folder, attempt, "output")).map((name) => join(attempt, "output", name)),
  ]);
}

function namesIn(directory: string): string[] {
  try {
    return existsSync(directory) ? readdirSync(directory) : [];
  } catch {
    return [];
  }
}

/** What is done with what is being written. */
export function writingIn(scratch: readonly string[]): string {
  if (scratch.some((path) => /output\/./.test(path))) return "writing an artifact";
  return scratch.some((path) => /checkpoint-/.test(path)) ? "writing a checkpoint" : "training";
}
