import { readdirSync, readFileSync } from "node:fs";

/** Every process that a place starts inherits this variable, whoever its parent is by then. */
export const markVariable = "TRUELINE_CHAOS";

export const roles = ["command", "worker", "backend", "keeper", "server", "other"] as const;
export type Role = (typeof roles)[number];

export interface Found {
  readonly pid: number;
  readonly role: Role;
}

/** What runs by a place's mark now, from /proc; processes that only wait to be reaped are not counted. */
export function processesMarked(mark: string): Found[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const [environment, words, status] = ["environ", "cmdline", "stat"].map((file) => contentOf(`/proc/${name}/${file}`));
    const isMarked = environment!.split("\0").includes(`${markVariable}=${mark}`);
    const isZombie = status!.slice(status!.lastIndexOf(")") + 2).startsWith("Z");
    return isMarked && !isZombie ? [{ pid: Number(name), role: roleOf(words!.replaceAll("\0", " ")) }] : [];
  });
}

function roleOf(words: string): Role {
  if (/\bcli\/main\.js/.test(words)) return "command";
  if (/\btemporal\/worker-process\.js/.test(words)) return "worker";
  if (/\bonnx\/process\.js/.test(words)) return "backend";
  if (/\btemporal\/keeper\.js/.test(words)) return "keeper";
  return /\bserver start-dev\b/.test(words) && !/^(\/bin\/)?sh /.test(words) ? "server" : "other";
}

/** Empty for a process that has gone meanwhile. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** Sends a signal to processes; those that have gone are passed over. */
export function signal(processes: readonly Found[], name: NodeJS.Signals): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended by itself.
    }
  }
}
