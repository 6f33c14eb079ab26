import { setImmediate as turn } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { moduleTaskSchema, type ModuleAnswer, type ModuleWord } from "./module-messages.js";
import { shown, wordsOf } from "./module-words.js";
import type { WrittenAnswer } from "./reward.js";

// The thread of a reward module: loads it, then answers every batch of answers with its scores.

const { path, options } = moduleTaskSchema.parse(workerData);

type Score = (answers: readonly WrittenAnswer[]) => Promise<unknown>;

async function load(): Promise<Score | Extract<ModuleAnswer, { is: "unloadable" | "no-function" }>> {
  let exported: Record<string, unknown>;
  try {
    exported = await import(pathToFileURL(path).href);
  } catch (error) {
    return { is: "unloadable", why: wordsOf(error, path) };
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
    return { is: "threw", why: wordsOf(error, path), ...await rowThatThrows(score, answers) };
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

const loaded = await load();
const say = (batch: number, said: ModuleAnswer) => parentPort?.postMessage({ batch, said } satisfies ModuleWord);
if (typeof loaded === "function") {
  parentPort?.on("message", ({ batch, answers }: { readonly batch: number; readonly answers: readonly WrittenAnswer[] }) => void judge(loaded, answers).then(async (said) => {
    // A promise that was rejected and that nobody awaits ends the thread first: such scores are none.
    await turn();
    say(batch, said);
  }));
  say(0, { is: "ready" });
} else say(0, loaded);
