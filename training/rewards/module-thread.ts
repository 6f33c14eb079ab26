import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { parentPort, workerData } from "node:worker_threads";
import { moduleTaskSchema, type ModuleAnswer } from "./module-messages.js";
import type { WrittenAnswer } from "./reward.js";

// The thread of a reward module: loads it, then answers every batch of answers with its scores.

const { path, options } = moduleTaskSchema.parse(workerData);

type Score = (answers: readonly WrittenAnswer[]) => Promise<unknown>;

async function load(): Promise<Score | Extract<ModuleAnswer, { is: "unloadable" | "no-function" }>> {
  let exported: Record<string, unknown>;
  try {
    exported = await import(pathToFileURL(path).href);
  } catch (error) {
    return { is: "unloadable", why: wordsOf(error) };
  }
  const { reward } = exported;
  if (typeof reward !== "function") return { is: "no-function", exports: Object.keys(exported) };
  return async (answers) => reward(answers, { options });
}

async function judge(score: Score, answers: readonly WrittenAnswer[]): Promise<ModuleAnswer> {
  let given: unknown;
  try {
    given = await score(answers);
  } catch (error) {
    return { is: "threw", why: wordsOf(error), ...await rowThatThrows(score, answers) };
  }
  const scores = listOf(given);
  if (scores === undefined) return { is: "no-list", found: shown(given) };
  if (scores.length !== answers.length) return { is: "no-list", found: `${scores.length} scores` };
  const row = scores.findIndex((each) => typeof each !== "number" || !Number.isFinite(Math.fround(each)));
  return row === -1 ? { is: "scores", scores: scores.filter((each) => typeof each === "number") } : { is: "no-number", row, found: shown(scores[row]) };
}

/** The whole batch gets lost with one answer: which one it was is found by asking again. */
async function rowThatThrows(score: Score, answers: readonly WrittenAnswer[]): Promise<{ readonly row?: number }> {
  for (const [row, answer] of answers.entries()) {
    try {
      await score([answer]);
    } catch {
      return { row };
    }
  }
  return {};
}

function listOf(given: unknown): readonly unknown[] | undefined {
  if (given instanceof Float32Array || given instanceof Float64Array) return Array.from(given);
  return Array.isArray(given) ? given : undefined;
}

function shown(value: unknown): string {
  const text = inspect(value, { depth: 0, breakLength: Infinity });
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** An error with the place in the module where it was thrown, where that is known. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return shown(error);
  const line = (error.stack ?? "").split("\n").find((each) => each.startsWith("    at ") && each.includes(`/${basename(path)}:`));
  const place = line?.slice(line.lastIndexOf("/") + 1).replace(/\)$/, "");
  return `${error.name}: ${error.message}${place === undefined ? "" : ` (${place})`}`;
}

const loaded = await load();
const say = (answer: ModuleAnswer) => parentPort?.postMessage(answer);
if (typeof loaded === "function") {
  parentPort?.on("message", (answers: readonly WrittenAnswer[]) => void judge(loaded, answers).then(say));
  say({ is: "ready" });
} else say(loaded);
