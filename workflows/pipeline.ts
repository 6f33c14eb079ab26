import { ApplicationFailure, CancellationScope, CancelledFailure, condition, defineQuery, isCancellation, setHandler, sleep } from "@temporalio/workflow";
import type { RunEnd } from "../schemas/control.js";
import type { PlannedStage } from "../schemas/plan.js";
import type { PipelineInput, StageOutcome, StageState } from "../schemas/task.js";
import { controls, note } from "./controls.js";
import { failureOf, isUnrecorded } from "./failure.js";
import { Halving } from "./halving.js";
import { Notices } from "./notices.js";
import { OrderBook } from "./orders.js";
import { Progress } from "./progress.js";
import { doStage } from "./stage.js";

/** The state of every stage, by name. */
export const stagesQuery = defineQuery<Readonly<Record<string, StageState>>>("stages");

/**
 * Walks a frozen plan: each stage starts when those before it are finished, independent ones side by side. A failed stage
 * blocks only what comes after it, until somebody has it tried again. It knows stages by name and kinds not at all.
 */
export async function pipeline({ run, plan, only, until }: PipelineInput): Promise<Readonly<Record<string, StageOutcome>>> {
  const root = CancellationScope.current();
  const progress = new Progress(plan, only);
  const halving = new Halving(plan, only);
  const notices = new Notices(run, plan);
  let changes = 0;
  let isOverdue = false;
  const changed = () => { changes += 1; };
  const orders = new OrderBook(run, ({ breaches }) => {
    notices.tellBreaches(breaches);
    changed();
  });
  setHandler(stagesQuery, () => progress.view());

  const advance = async (stage: PlannedStage, work: CancellationScope): Promise<void> => {
    const { name } = stage;
    const artifacts = Object.fromEntries(stage.after.map((each) => [each, progress.outcomes[each]!.artifact]));
    try {
      const end = await work.run(() => doStage(stage, artifacts, { run, orders, notices, rung: halving.rungOf(name), say: (state) => progress.set(name, state) }));
      if ("rung" in end) {
        halving.arrive(name, end.value);
        return progress.set(name, "held");
      }
      progress.finish(name, end);
      notices.send("stage-finished", { stage: name, state: "finished", message: `Stage ${name} is finished.` });
    } catch (error) {
      if (isCancellation(error)) return progress.set(name, "cancelled");
      const failure = failureOf(error);
      if (failure.code === "TL_RUN_OVER") {
        // The ledger knows why. Where it no longer says so, somebody has gone on with the run meanwhile.
        await CancellationScope.nonCancellable(() => orders.read()).catch(() => undefined);
        return progress.set(name, isToStop() ? "cancelled" : "waiting");
      }
      if (isUnrecorded(error)) await CancellationScope.nonCancellable(() => note(run, { type: "stage-failed", stage: name, key: stage.key, failure, retry: false }));
      progress.fail({ stage: name, ...failure });
      notices.send("stage-failed", { stage: name, state: "failed", message: `Stage ${name} failed: ${failure.code} ${failure.message}` });
    }
  };

  const isCancelled = () => root.consideredCancelled || orders.current.stop === "cancelled";
  const isToStop = () => orders.current.paused || orders.current.stop !== undefined || isOverdue || isCancelled();

  /** Does what can be done; gives whether it was stopped on the way. In the end all stages have saved their checkpoints. */
  const walk = async (): Promise<boolean> => {
    const work = new CancellationScope();
    const underWay = new Set<string>();
    for (;;) {
      const seen = changes;
      progress.retry(orders.current.retries);
      if (isToStop()) work.cancel();
      const decision = work.consideredCancelled ? undefined : halving.decide(progress.view());
      if (decision !== undefined) {
        // The ledger first: a stage that has gone on is no proof of what was decided.
        await CancellationScope.nonCancellable(() => note(run, decision));
        for (const name of halving.apply(decision)) progress.set(name, "waiting");
        for (const { stage } of decision.stopped) progress.set(stage, "stopped-early");
      }
      if (!work.consideredCancelled) for (const stage of progress.ready()) {
        underWay.add(stage.name);
        progress.set(stage.name, "started");
        void advance(stage, work).finally(() => {
          underWay.delete(stage.name);
          if (notices.tells("guard-breached")) orders.nudge();
          changed();
        });
      }
      if (underWay.size === 0) return work.consideredCancelled;
      await CancellationScope.nonCancellable(() => condition(() => changes > seen));
    }
  };

  const endNow = (): RunEnd["end"] => {
    if (progress.isDone) return "finished";
    if (orders.current.paused && progress.isOpen && !isOverdue && !isCancelled()) return "paused";
    if (progress.failures.length > 0) return "failed";
    return isCancelled() ? "cancelled" : "paused";
  };

  await CancellationScope.nonCancellable(() => orders.read());
  for (const stage of halving.restore(orders.current.halved)) progress.set(stage, "stopped-early");
  orders.follow();
  if (plan.deadlineSeconds !== undefined) void afterDeadline(run, plan.deadlineSeconds, () => {
    isOverdue = true;
    changed();
  }, () => orders.nudge());
  for (;;) {
    // A pause that is withdrawn while stages save is none.
    do progress.goOn(); while (await walk() && !isToStop());
    if (isOverdue) for (const stage of progress.cancelled()) progress.fail({ stage, ...overdue });
    // Ended by the ledger alone while no server was there.
    if (orders.current.stop === "over") return concluded(run, "cancelled", progress);
    const end = endNow();
    const known = isOverdue || isCancelled() ? undefined : orders.current.count;
    if (await CancellationScope.nonCancellable(() => controls["close-run"]({ run, end, failures: progress.failures, until, known }))) {
      notices.tellEnd(end, progress.failures);
      await CancellationScope.nonCancellable(() => notices.delivered());
      return concluded(run, end, progress);
    }
    await CancellationScope.nonCancellable(() => orders.read());
  }
}

const overdue = {
  code: "TL_RUN_DEADLINE", message: "The run's deadline passed.", hint: "Its checkpoint is saved: `trueline resume` goes on from there, with as much time again.",
} as const;

async function afterDeadline(run: string, seconds: number, pass: () => void, isOver: () => void): Promise<void> {
  await CancellationScope.nonCancellable(async () => {
    await sleep(seconds * 1000);
    // First of all: an attempt looks there why it is to stop.
    if (await note(run, { type: "deadline-passed", seconds })) pass();
    else isOver();
  });
}

/** What the workflow gives in the end. A paused one is over, too: to go on is a new attempt, so that nothing waits for weeks. */
function concluded(run: string, end: RunEnd["end"], { outcomes, failures }: Progress): Progress["outcomes"] {
  switch (end) {
    case "finished":
    case "paused":
      return outcomes;
    case "cancelled": throw new CancelledFailure(`Run ${run} was cancelled`);
    case "failed": {
      const message = failures.map(({ stage, code, message: text }) => `${stage}: ${code} ${text}`).join("\n");
      throw ApplicationFailure.create({ type: "TL_RUN_FAILED", message, nonRetryable: true, details: [failures] });
    }
  }
}
