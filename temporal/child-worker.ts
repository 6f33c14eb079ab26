import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { forkModule } from "./entry.js";

export interface ChildWorker {
  /** Settles when the process has ended: undefined after `stop`, else the end of what it said. */
  readonly ended: Promise<string | undefined>;
  /** Lets the stages under way save a checkpoint, then ends the process. */
  stop(): Promise<void>;
}

/** A worker in a process of its own, in this process group, which ends when this process does. Its log is kept in the home. */
export function startChildWorker(home: string, slots?: number): ChildWorker {
  mkdirSync(join(home, "logs"), { recursive: true });
  const logPath = join(home, "logs", `worker-${process.pid}.log`);
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
  return { ended, stop };
}
