import { CancellationScope, condition, defineSignal, log, setHandler } from "@temporalio/workflow";
import { lookSignal, type Orders } from "../schemas/control.js";
import { controls } from "./controls.js";

/**
 * What people have asked of the run. The ledger holds it; the signal only says that there is something new, so a lost signal
 * costs time and no order.
 */
export class OrderBook {
  current: Orders = { count: 0, paused: false, answers: {}, retries: {}, breaches: [] };
  private nudges = 0;
  private seen = 0;

  constructor(private readonly run: string, private readonly changed: (orders: Orders) => void) {
    setHandler(defineSignal(lookSignal), () => this.nudge());
  }

  /** Has the ledger read soon. */
  nudge(): void {
    this.nudges += 1;
  }

  async read(): Promise<void> {
    this.seen = this.nudges;
    this.current = await controls["read-orders"](this.run);
    this.changed(this.current);
  }

  /** Reads the ledger after each nudge, for as long as the workflow lives. */
  follow(): void {
    void CancellationScope.nonCancellable(async () => {
      for (;;) {
        await condition(() => this.nudges > this.seen);
        await this.read().catch((error: unknown) => log.warn("The ledger could not be read", { error }));
      }
    });
  }
}
