import { appendFileSync, closeSync, openSync, readFileSync, renameSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { makeFolder } from "../foundation/files.js";
import { guarded } from "../store/files.js";
import { thisProcess } from "../store/processes.js";
import { forkModule } from "./entry.js";

export interface ChildWorker {
  /** Undefined where it could not be started. */
  readonly pid: number | undefined;
  /** Its name on the server. */
  readonly identity: string;
  /** Settles when the process has ended: undefined after `stop`, else how it ended, where its log is, and the end of what it said. */
  readonly ended: Promise<string | undefined>;
  /** Lets the stages under way save a checkpoint, then ends the process. */
  stop(): Promise<void>;
}

const logsFolder = (home: string): string => join(home, "logs");

/** Where the log of a worker that `run` or `resume` started is kept, by the worker's process. */
export function workerLog(home: string, pid: number): string {
  return join(logsFolder(home), `worker-${pid}.log`);
}

/** Makes the home, and room for logs in it, before anything is started. Errors: TL_STORE_DENIED, TL_STORE_FULL. */
export async function prepareHome(home: string): Promise<void> {
  await guarded(() => makeFolder(logsFolder(home)));
}

/**
 * A worker in a process of its own, in this process group, which ends when this process does. Its log is kept in the prepared home.
 * Errors of the system where there is no room for the log.
 */
export function startChildWorker(home: string, slots?: number): ChildWorker {
  const opened = join(logsFolder(home), `worker-of-${process.pid}.log`);
  const log = openSync(opened, "a");
  const child = forkModule("worker-process", [home, JSON.stringify(thisProcess), ...(slots === undefined ? [] : [String(slots)])], { stdio: ["ignore", log, log, "ipc"] });
  closeSync(log);
  // Only now its process has a number; the log that it holds open goes along.
  const logPath = child.pid === undefined ? opened : workerLog(home, child.pid);
  if (child.pid !== undefined) renameSync(opened, logPath);
  let stopping = false;
  const ended = new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => {
      if (stopping) return resolve(undefined);
      const words = readFileSync(logPath, "utf8").trim().split("\n").slice(-8).join("\n");
      const how = `Worker process ${child.pid} ended ${signal === null ? `with exit code ${code}` : `by ${signal}`}.`;
      tell(logPath, how);
      resolve(`${how} Its log: ${logPath}${words === "" ? "" : `\n${words}`}`);
    });
  });
  const stop = async () => {
    stopping = true;
    if (child.connected) child.disconnect();
    await ended;
  };
  return { pid: child.pid, identity: `${child.pid}@${hostname()}`, ended, stop };
}

/** Who ends by a signal tells nobody: whoever looks into the log later is to find it, unless the disk has no room for it. */
function tell(logPath: string, how: string): void {
  try {
    appendFileSync(logPath, `${how}\n`);
  } catch {
    // It is said on the screen all the same.
  }
}
