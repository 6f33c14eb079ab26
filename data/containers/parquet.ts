import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { dataLimits, limitsNow, tooMuch, unreadable, type DataLimits } from "./limits.js";
import type { RawRow } from "./raw.js";

/** What the child process is started with. */
export const parquetTask = z.strictObject({ path: z.string(), limits: dataLimits });
export type ParquetTask = z.output<typeof parquetTask>;

/** What it answers each time it is asked to go on. */
const answerSchema = z.discriminatedUnion("is", [
  z.object({ is: z.literal("rows"), first: z.number(), rows: z.array(z.unknown()) }),
  z.object({ is: z.literal("end") }),
  z.object({ is: z.literal("damaged"), why: z.string() }),
  z.object({ is: z.literal("too-much"), why: z.string() }),
]);
export type ParquetAnswer = z.output<typeof answerSchema>;

const groupHint = "Write it with smaller row groups, such as row_group_size=10000 in pyarrow";
/** Decoded values take several times the room that they have in the file. */
const heapFactor = 4;
const leastHeapMegabytes = 512;

/**
 * The rows of a parquet file, a row group in memory at a time. It is decoded in a process of its own whose heap is
 * bounded: a file that lies about its sizes ends that process and nothing else. Errors: TL_DATA_UNREADABLE.
 */
export async function* readParquet(path: string, limits: DataLimits = limitsNow()): AsyncGenerator<RawRow> {
  // from sources the entry is TypeScript, too
  const source = import.meta.url.endsWith(".ts");
  const entry = fileURLToPath(new URL(source ? "./parquet-process.ts" : "./parquet-process.js", import.meta.url));
  const heap = Math.max(leastHeapMegabytes, Math.ceil((heapFactor * limits.groupBytes) / 2 ** 20));
  const child = fork(entry, [JSON.stringify({ path, limits } satisfies ParquetTask)], {
    serialization: "advanced", stdio: ["ignore", "ignore", "ignore", "ipc"],
    execArgv: [...(source ? ["--import", "tsx"] : []), `--max-old-space-size=${heap}`],
  });
  const ended = once(child, "exit");
  try {
    for (;;) {
      const answer = await ask(child, ended);
      switch (answer?.is) {
        case "rows":
          for (const [index, value] of answer.rows.entries()) yield { line: answer.first + index, value };
          break;
        case "end":
          return;
        case "damaged":
          throw unreadable(path, `can't be read as parquet: ${answer.why}`, { hint: "Write the file again, or get it again." });
        case "too-much":
          throw tooMuch(path, answer.why, groupHint);
        case undefined:
          throw tooMuch(path, `decoding a row group of it takes more than ${heap} MiB, which its size gives no reason for`, groupHint);
      }
    }
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

/** The next answer; undefined when the process has ended without one. */
async function ask(child: ChildProcess, ended: Promise<unknown>): Promise<ParquetAnswer | undefined> {
  const stop = new AbortController();
  const answered = once(child, "message", { signal: stop.signal }).then(([message]: unknown[]) => answerSchema.parse(message), (error: unknown) => {
    if (stop.signal.aborted) return undefined;
    throw error;
  });
  // A send that fails is the sign of a dead child, whose end is waited for.
  child.send("next", () => undefined);
  const answer = await Promise.race([answered, ended.then(() => undefined)]);
  stop.abort();
  return answer;
}
