import { createOutput, type Sink } from "../../cli/output.js";
import { runProgram } from "../../cli/program.js";

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line inside this process, as if neither stream were a terminal unless `terminal` says so. */
export async function trueline(words: readonly string[], { environment = {}, terminal = false, debug = false }: {
  readonly environment?: Readonly<NodeJS.ProcessEnv>; readonly terminal?: boolean; readonly debug?: boolean;
} = {}): Promise<Ended> {
  const written = { stdout: "", stderr: "" };
  const sink = (name: keyof typeof written): Sink => ({ write: (text) => { written[name] += text; }, isTTY: terminal });
  const code = await runProgram(words, createOutput(sink("stdout"), sink("stderr"), environment), debug);
  return { code, ...written };
}
