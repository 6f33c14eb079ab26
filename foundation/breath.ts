import { setImmediate as nextTurn } from "node:timers/promises";

const turnMilliseconds = 50;
/**
 * Lets timers and sockets have their turn during long work: `if (breath.due()) await breath.take()` in its loops. When it
 * breathes depends on the clock, what it computes must not.
 */
export class Breath {
  private calls = 0;
  private turnEnds = performance.now() + turnMilliseconds;

  /** @param callsPerLook looking at the clock costs more than the work between two calls may take; 1 where each takes long. */
  constructor(private readonly callsPerLook = 64) {}

  due(): boolean {
    this.calls = (this.calls + 1) % this.callsPerLook;
    return this.calls === 0 && performance.now() > this.turnEnds;
  }

  async take(): Promise<void> {
    await nextTurn();
    this.turnEnds = performance.now() + turnMilliseconds;
  }
}

/** What `work` makes of each item, in order; timers have their turn between items, as encoding a large text needs it. */
export async function mapBreathing<Item, Result>(items: Iterable<Item>, work: (item: Item) => Result): Promise<Result[]> {
  const breath = new Breath(1);
  const results: Result[] = [];
  for (const item of items) {
    results.push(work(item));
    if (breath.due()) await breath.take();
  }
  return results;
}
