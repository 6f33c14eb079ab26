import type { Backend } from "../backends/backend.js";
import { TruelineError } from "../foundation/errors.js";
import type { Progress } from "../schemas/progress.js";

const beatMilliseconds = 1000;

/** Tells Temporal what an attempt is doing, every second, whether or not the work itself has anything new to say. */
export class Pulse {
  private progress: Progress;
  private readonly timer: NodeJS.Timeout;

  constructor(stage: string, private readonly beat: (progress: Progress) => void) {
    this.progress = { stage, phase: "starting", step: 0, of: 0, metrics: {} };
    // Saving, loading and generating happen in other processes: this timer keeps ticking through all of them.
    this.timer = setInterval(() => this.beat(this.progress), beatMilliseconds);
    this.beat(this.progress);
  }

  update(progress: Progress): void {
    this.progress = progress;
  }

  phase(phase: string): void {
    this.progress = { ...this.progress, phase };
    this.beat(this.progress);
  }

  get checkpoint(): number | undefined {
    return this.progress.checkpoint;
  }

  stop(): void {
    clearInterval(this.timer);
  }
}

/**
 * The same backend, except that a call which takes longer than `seconds` rejects with TL_STAGE_STALLED: a timer alone
 * would go on saying that all is well while the backend hangs.
 */
export function withDeadline(backend: Backend, seconds: number): Backend {
  const bounded = async <T>(name: string, call: Promise<T>): Promise<T> => {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new TruelineError("TL_STAGE_STALLED", `The backend has not answered "${name}" for ${seconds} s.`, {
        hint: "It is tried again from the newest checkpoint. Set TRUELINE_STALL_SECONDS higher if steps really take that long.",
      })), seconds * 1000);
    });
    try {
      return await Promise.race([call, deadline]);
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    describe: () => bounded("describe", backend.describe()),
    load: (request) => bounded("load", backend.load(request)),
    unload: (model) => bounded("unload", backend.unload(model)),
    save: (model, directory, options) => bounded("save", backend.save(model, directory, options)),
    forward: (model, request) => bounded("forward", backend.forward(model, request)),
    generate: (model, request) => bounded("generate", backend.generate(model, request)),
    step: (model, request) => bounded("step", backend.step(model, request)),
    close: () => backend.close(),
  };
}
