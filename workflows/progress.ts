import type { StageFailure } from "../schemas/control.js";
import type { Plan, PlannedStage } from "../schemas/plan.js";
import type { StageOutcome, StageState } from "../schemas/task.js";

/** How far the stages of a run are, and which can start. Pure. */
export class Progress {
  readonly outcomes: Record<string, StageOutcome> = {};
  private readonly states = new Map<string, Exclude<StageState, "blocked">>();
  private readonly failed = new Map<string, StageFailure>();
  private readonly retried = new Map<string, number>();

  private readonly stages: readonly PlannedStage[];
  /** Places of the stages that variants of a sweep differ in: those of the first variant come first. */
  private readonly variants: ReadonlyMap<string, number>;
  private readonly parallel: number;

  /** `only`: the stages that may start; default: all. */
  constructor({ stages, sweep }: Pick<Plan, "stages" | "sweep">, private readonly only?: readonly string[]) {
    this.stages = stages;
    this.variants = new Map([...sweep?.variants ?? []].reverse().flatMap((variant, index) => Object.values(variant.stages).map((name) => [name, -index] as const)));
    this.parallel = sweep?.parallel ?? Infinity;
    for (const { name } of stages) this.states.set(name, "waiting");
  }

  get failures(): StageFailure[] {
    return [...this.failed.values()];
  }

  get isDone(): boolean {
    return Object.values(this.view()).every((state) => state === "finished" || state === "stopped-early");
  }

  /** Whether a stage is left that neither failed nor is blocked by one that did. */
  get isOpen(): boolean {
    return Object.values(this.view()).some((state) => state === "waiting" || state === "cancelled" || state === "held");
  }

  /** Stages that can start now: all that they need is there, and of variants no more are under way than there may be. */
  ready(): PlannedStage[] {
    const ready = this.stages.filter(({ name, after }) => this.states.get(name) === "waiting" && (this.only?.includes(name) ?? true)
      && after.every((each) => this.outcomes[each] !== undefined));
    const shared = ready.filter(({ name }) => !this.variants.has(name));
    const room = this.parallel - [...this.variants.keys()].filter((name) => this.states.get(name) === "started").length;
    // A variant that has begun is brought to its end before others begin.
    const ofVariants = ready.filter(({ name }) => this.variants.has(name)).sort((a, b) => this.variants.get(a.name)! - this.variants.get(b.name)!);
    return [...shared, ...ofVariants.slice(0, Math.max(0, room))];
  }

  set(name: string, state: "waiting" | "asking" | "started" | "cancelled" | "held" | "stopped-early"): void {
    this.states.set(name, state);
  }

  finish(name: string, outcome: StageOutcome): void {
    this.outcomes[name] = outcome;
    this.states.set(name, "finished");
  }

  fail(failure: StageFailure): void {
    this.failed.set(failure.stage, failure);
    this.states.set(failure.stage, "failed");
  }

  /** Lets failed stages start again that somebody has asked for, each once an order. */
  retry(ordered: Readonly<Record<string, number>>): void {
    for (const [name, times] of Object.entries(ordered)) {
      if (this.states.get(name) !== "failed" || times <= (this.retried.get(name) ?? 0)) continue;
      this.retried.set(name, times);
      this.failed.delete(name);
      this.states.set(name, "waiting");
    }
  }

  /** Lets stages start again that were cancelled. */
  goOn(): void {
    for (const name of this.cancelled()) this.states.set(name, "waiting");
  }

  cancelled(): string[] {
    return [...this.states].filter(([, state]) => state === "cancelled").map(([name]) => name);
  }

  /** The state of every stage; those that wait for a failed one are blocked, and those after one that was stopped early are so, too. */
  view(): Record<string, StageState> {
    const view: Record<string, StageState> = {};
    // A plan lists stages after those they depend on.
    for (const { name, after } of this.stages) {
      const before = after.map((each) => view[each]);
      const state = this.states.get(name)!;
      view[name] = state !== "waiting" ? state
        : before.includes("stopped-early") ? "stopped-early" : before.includes("failed") || before.includes("blocked") ? "blocked" : state;
    }
    return view;
  }
}
