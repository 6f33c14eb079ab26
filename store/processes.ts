import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { z } from "zod";
import { systemCode } from "../foundation/storage-faults.js";

export const processSchema = z.strictObject({ pid: z.number().int(), host: z.string(), started: z.string() });
/** A process told apart from a later one that got the same number. */
export type ProcessIdentity = z.output<typeof processSchema>;

export const thisProcess: ProcessIdentity = { pid: process.pid, host: hostname(), started: startOf(process.pid) ?? "" };

/** Whether a process is alive, as far as this host can tell: one of another host counts as alive. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.host !== hostname()) return true;
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    if (systemCode(error) === "ESRCH") return false;
  }
  const started = startOf(identity.pid);
  return started === undefined || identity.started === "" || started === identity.started;
}

/** Start of a process in clock ticks since boot; undefined where the system does not tell, "dead" for one that only waits to be reaped. */
function startOf(pid: number): string | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may hold spaces: count fields behind it.
    const fields = status.slice(status.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "dead" : fields[19];
  } catch {
    return undefined;
  }
}
