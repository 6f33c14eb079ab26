import { setImmediate as nextTurn } from "node:timers/promises";

const turnMilliseconds = 50;
/** Looking at the clock costs more than the work between two looks may take. */
const callsPerLook = 64;

/**
 * Lets timers and sockets have their turn during long work: `if (breath.due()) await breath.take()` in its loops. When it
 * breathes depends on the clock, what it computes must not.
 */
export class Breath {
  private calls = 0;
  private turnEnds = performance.now() + turnMilliseconds;

  due(): boolean {
    this.calls = (this.calls + 1) % callsPerLook;
    return this.calls === 0 && performance.now() > this.turnEnds;
  }

  async take(): Promise<void> {
    await nextTurn();
    this.turnEnds = performance.now() + turnMilliseconds;
  }
}
