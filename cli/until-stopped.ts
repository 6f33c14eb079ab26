import { setTimeout as sleep } from "node:timers/promises";

/** Settles on SIGINT or SIGTERM. `check` is called now and then; what it throws ends the wait. */
export async function untilStopped(check: () => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  try {
    while (!controller.signal.aborted) {
      await sleep(2000, undefined, { signal: controller.signal }).catch(() => undefined);
      if (!controller.signal.aborted) await check();
    }
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}
