import { fork, type ChildProcess, type ForkOptions } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Forks a sibling module as a process of its own, from dist/ or, in a checkout, from the sources. */
export function forkModule(name: string, words: readonly string[], options: ForkOptions): ChildProcess {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const path = fileURLToPath(new URL(`./${name}${extension}`, import.meta.url));
  return fork(path, [...words], { execArgv: extension === ".ts" ? ["--import", "tsx"] : [], ...options });
}
