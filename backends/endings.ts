import { readFileSync } from "node:fs";
import { TruelineError } from "../foundation/errors.js";

/** How much of a process's stderr is kept for the error that tells of its death; native stacks alone take 8000. */
const stderrKept = 32_000;
const linesTold = 15;

/** The end of what a process wrote to stderr; TRUELINE_DEBUG=1 shows all of it as it comes. */
export class LastWords {
  private text = "";

  add(text: string): void {
    this.text = (this.text + text).slice(-stderrKept);
    if (process.env["TRUELINE_DEBUG"] === "1") process.stderr.write(text);
  }

  toString(): string {
    return this.text;
  }
}

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  /** Whether Linux killed a process for memory while this one ran. */
  readonly systemRanOut: boolean;
}

/** The error of a process that ended unasked: TL_BACKEND_LOST, or TL_BACKEND_OUT_OF_MEMORY where that is known. */
export function unaskedEnd({ code, signal, stderr, systemRanOut }: Ending): TruelineError {
  const nativeFrame = /^\s*\d+: 0x/;
  const lines = stderr.split("\n").filter((line) => line.trim() !== "" && !nativeFrame.test(line)).slice(-linesTold);
  const lastWords = lines.length === 0 ? "" : ` It said last:\n${lines.join("\n")}`;
  const how = signal === null ? `with exit code ${code ?? "unknown"}` : `by ${signal}`;
  const heapRanOut = /heap out of memory|bad_alloc/.test(stderr);
  // torchrun tells of its processes in its last words, and ends with a code of its own
  const killed = signal === "SIGKILL" || /Signal 9 \(SIGKILL\)/.test(stderr);
  if ((killed && systemRanOut) || heapRanOut) {
    return new TruelineError("TL_BACKEND_OUT_OF_MEMORY", `The backend's process was ended ${how} because memory ran out.${lastWords}`);
  }
  return new TruelineError("TL_BACKEND_LOST", `The backend's process ended ${how} while it was needed.${lastWords}`, killed
    ? { hint: "Somebody killed it, or the system did for want of memory: its log (dmesg) tells. It is tried again from the newest checkpoint." } : {});
}

/** How often Linux has killed a process for memory since it started; 0 where that is not told. */
export function outOfMemoryKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync("/proc/vmstat", "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
