import { readFileSync, readdirSync } from "node:fs";

export interface Memory {
  /** Bytes in memory, pages of mapped files included. */
  readonly resident: number;
  /** Bytes that are in no file, and that nothing but their process's end frees. */
  readonly anonymous: number;
}

/** Memory of a process and all that descend from it, by Linux's /proc. */
export function memoryOf(process: number): Memory {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    const parent = /^PPid:\s+(\d+)/m.exec(statusOf(Number(name)))?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const family = new Set([process]);
  for (let grown = true; grown;) {
    const children = [...parents].filter(([child, parent]) => family.has(parent) && !family.has(child));
    children.forEach(([child]) => family.add(child));
    grown = children.length > 0;
  }
  const sum = (field: string): number => [...family].reduce((bytes, each) =>
    bytes + 1024 * Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(statusOf(each))?.[1] ?? 0), 0);
  return { resident: sum("VmRSS"), anonymous: sum("RssAnon") };
}

/** A process may be gone by the time it is read. */
function statusOf(process: number): string {
  try {
    return readFileSync(`/proc/${process}/status`, "utf8");
  } catch {
    return "";
  }
}
