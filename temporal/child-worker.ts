import { closeSync, openSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { makeFolder } from "../foundation/files.js";
import { guarded } from "../store/files.js";
import { forkModule } from "./entry.js";

export interface ChildWorker {
  /** Its name on the server. */
  readonly identity: string;
  /** Settles when the process has ended: undefined after `stop`, else the end of what it said. */
  readonly ended: Promise<string | undefined>;
  /** Lets the stages under way save a checkpoint, then ends the process. */
  stop(): Promise<void>;
}

const logsFolder = (home: string): string => join(home, "logs");

/** Makes the home, and room for logs in it, before anything is started. Errors: TL_STORE_DENIED, TL_STORE_FULL. */
export async function prepareHome(home: string): Promise<void> {
  await guarded(() => makeFolder(logsFolder(home)));
}

/** A worker in a process of its own, in this process group, which ends when this process does. Its log is kept in the prepared home. */
export function startChildWorker(home: string, slots?: number): ChildWorker {
  const logPath = join(logsFolder(home), `worker-${process.pid}.log`);
  const log = openSync(logPath, "a");
  const child = forkModule("worker-process", [home, ...(slots === undefined ? [] : [String(slots)])], { stdio: ["ignore", log, log, "ipc"] });
  closeSync(log);
  let stopping = false;
  const ended = new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => {
      resolve(stopping ? undefined : readFileSync(logPath, "utf8").trim().split("\n").slice(-8).join("\n") || `exit ${signal ?? code}`);
    });
  });
  const stop = async () => {
    stopping = true;
    if (child.connected) child.disconnect();
    await ended;
  };
  return { identity: `${child.pid}@${hostname()}`, ended, stop };
}
