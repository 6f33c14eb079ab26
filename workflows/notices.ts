import { CancellationScope, proxyLocalActivities, uuid4 } from "@temporalio/workflow";
import { hostOf } from "../foundation/text.js";
import type { ControlActivities, Notice, Orders, RunEnd, StageFailure } from "../schemas/control.js";
import type { Plan } from "../schemas/plan.js";
import type { Occasion } from "../schemas/spec.js";
import { note } from "./controls.js";
import { failureOf } from "./failure.js";

// Tries go on for some minutes. Waiting for the next is a timer's job, so that no workflow task is held open.
const { notify } = proxyLocalActivities<Pick<ControlActivities, "notify">>({
  startToCloseTimeout: "20 seconds", localRetryThreshold: "100 ms",
  retry: { initialInterval: "1 second", backoffCoefficient: 2, maximumInterval: "1 minute", maximumAttempts: 10 },
});

/** Tells those whom a plan names what happens. A receiver that can't be reached is noted in the ledger and holds nothing up. */
export class Notices {
  private readonly deliveries: Promise<void>[] = [];
  private breaches = 0;

  constructor(private readonly run: string, private readonly plan: Plan) {}

  tells(occasion: Occasion): boolean {
    return this.plan.notify.some(({ on }) => on.includes(occasion));
  }

  send(occasion: Occasion, about: Pick<Notice["data"], "stage" | "state" | "message" | "next">): void {
    const { run, plan: { name } } = this;
    const at = new Date(Date.now()).toISOString();
    for (const to of this.plan.notify.filter(({ on }) => on.includes(occasion))) {
      const notice = { run, to, id: `msg_${uuid4()}`, occasion, at, data: { run, name, ...about } };
      this.deliveries.push(CancellationScope.nonCancellable(() => deliver(notice)));
    }
  }

  /** Tells of what guards have found and nobody has been told of. */
  tellBreaches(breaches: Orders["breaches"]): void {
    for (const { stage, message } of breaches.slice(this.breaches)) this.send("guard-breached", { stage, state: "running", message, next: `trueline status ${this.run}` });
    this.breaches = breaches.length;
  }

  tellQuestion(stage: string, gate: string, question: string): void {
    this.send("approval-asked", { stage, state: "asking", message: question, next: `trueline approve ${this.run} ${gate}` });
  }

  tellEnd(end: RunEnd["end"], failures: readonly StageFailure[]): void {
    const { run } = this;
    switch (end) {
      case "finished": return this.send("run-finished", { state: end, message: `Run ${run} is finished.`, next: `trueline status ${run}` });
      case "cancelled": return this.send("run-cancelled", { state: end, message: `Run ${run} was cancelled.`, next: `trueline resume ${run}` });
      case "paused": return this.send("run-paused", { state: end, message: `Run ${run} is paused.`, next: `trueline unpause ${run}` });
      case "failed": return this.send("run-failed", {
        state: end, next: `trueline resume ${run}`,
        message: `Run ${run} failed. ${failures.map(({ stage, code, message }) => `${stage}: ${code} ${message}`).join(" ")}`,
      });
    }
  }

  /** Settles when each has been delivered or given up. */
  async delivered(): Promise<void> {
    await Promise.all(this.deliveries);
  }
}

async function deliver(notice: Notice): Promise<void> {
  try {
    await notify(notice);
  } catch (error) {
    const { run, to, id, occasion } = notice;
    await note(run, { type: "notification-failed", occasion, host: hostOf(to.url), id, message: failureOf(error).message });
  }
}
