import { spawn, type ChildProcess } from "node:child_process";

export interface ProcessOptions {
  readonly python: string;
  readonly packageFolder: string;
  readonly processes: number;
  readonly environment: Readonly<Record<string, string>>;
  /** What the processes are told, apart from the socket's path. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
  /** A call during which no process shows a sign of life for this long fails with TL_STAGE_STALLED. */
  readonly stallSeconds: number;
}

/** Starts the one process, or torchrun, which starts them all. They find the way back by the socket's path. */
export function launch({ python, packageFolder, processes, environment, settings }: ProcessOptions, socket: string): ChildProcess {
  const torchrun = ["-m", "trueline_torch.agent", "--standalone", "--nproc-per-node", String(processes), "--max-restarts", "0", "--monitor-interval", "0.1"];
  return spawn(python, [...(processes > 1 ? torchrun : []), "-m", "trueline_torch"], {
    stdio: ["ignore", "ignore", "pipe"],
    // Ctrl-C reaches every process of the terminal's group; whoever drives the backend still needs it to save a checkpoint
    detached: true,
    env: { ...process.env, ...environment, PYTHONPATH: packageFolder, TRUELINE_TORCH: JSON.stringify({ ...settings, socket }) },
  });
}

/** Ends a process at once if it is still there. */
export function endProcess(id: number): void {
  try {
    process.kill(id, "SIGKILL");
  } catch {
    // it has ended by itself
  }
}
