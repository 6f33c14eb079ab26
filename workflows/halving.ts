import type { Orders } from "../schemas/control.js";
import type { LedgerEvent } from "../schemas/events.js";
import type { Plan } from "../schemas/plan.js";
import type { StageState, StageTask } from "../schemas/task.js";

/** Who goes on from a rung, and the names of the stages that do not. */
export type Decision = Extract<LedgerEvent, { type: "sweep-halved" }>;

interface Contender {
  readonly variant: string;
  /** A stage for each seed. */
  readonly stages: readonly string[];
}

/** The successive halving of a plan's sweep: when stages wait, and which of them go on. Pure. */
export class Halving {
  private readonly contenders: readonly Contender[];
  private readonly values = new Map<string, number | null>();
  private readonly stopped = new Set<string>();
  private decided = 0;

  /** `only`: the stages that may start; default: all. */
  constructor(private readonly plan: Pick<Plan, "stages" | "sweep">, only?: readonly string[]) {
    const { halving, variants = [] } = plan.sweep ?? {};
    const names = [...new Set(variants.map(({ name }) => name))];
    this.contenders = halving === undefined ? [] : names.map((variant) => {
      const stages = variants.filter(({ name }) => name === variant).map(({ stages: own }) => own[halving.stage]!);
      return { variant, stages: [...new Set(stages)].filter((name) => only?.includes(name) ?? true) };
    }).filter(({ stages }) => stages.length > 0);
  }

  /** Takes up what was decided in earlier attempts at the run; gives the stages that are stopped. */
  restore(halved: Orders["halved"]): string[] {
    if (halved === undefined) return [];
    this.decided = halved.step;
    const keys = new Map(this.plan.stages.map(({ name, key }) => [name, key]));
    for (const { stage, key } of halved.stopped) if (keys.get(stage) === key) this.stopped.add(stage);
    return [...this.stopped];
  }

  /** Where a stage has to wait next; undefined where it runs to its end. */
  rungOf(name: string): StageTask["rung"] {
    const halving = this.plan.sweep?.halving;
    if (halving === undefined || !this.contenders.some(({ stages }) => stages.includes(name))) return undefined;
    const step = (Math.floor(this.decided / halving.every) + 1) * halving.every;
    const steps = this.plan.stages.find((stage) => stage.name === name)?.parameters["steps"];
    return typeof steps === "number" && step >= steps ? undefined : { step, metric: halving.metric };
  }

  /** A stage has come to its rung. */
  arrive(name: string, value: number | null): void {
    this.values.set(name, value);
  }

  /** The decision, once no stage is left that could still come to the rung; undefined while there is one. */
  decide(view: Readonly<Record<string, StageState>>): Decision | undefined {
    const { halving } = this.plan.sweep ?? {};
    if (halving === undefined || this.values.size === 0) return undefined;
    const live = this.contenders.filter(({ stages }) => stages.some((name) => !this.stopped.has(name)));
    const isSettled = (name: string) => this.values.has(name) || this.stopped.has(name) || view[name] === "finished" || view[name] === "failed" || view[name] === "blocked";
    if (!live.every(({ stages }) => stages.every(isSettled))) return undefined;
    // Only who waits can be stopped: variants that are finished already take nobody's place.
    const waiting = live.filter(({ stages }) => stages.some((name) => this.values.has(name)));
    const sign = halving.goal === "minimize" ? 1 : -1;
    const ranked = waiting.map((contender) => ({ contender, value: this.valueOf(contender) }))
      .sort((a, b) => (a.value === undefined ? Infinity : sign * a.value) - (b.value === undefined ? Infinity : sign * b.value) || 0);
    const room = Math.ceil(ranked.length * halving.keep);
    const told = (some: typeof ranked) => some.map(({ contender: { variant }, value }) => ({ variant, ...(value !== undefined && { value }) }));
    const [kept, ended] = [ranked.slice(0, room), ranked.slice(room)];
    const goingOn = new Set(kept.flatMap(({ contender }) => contender.stages));
    // A stage that a better variant shares goes on.
    const stopped = [...new Set(ended.flatMap(({ contender }) => contender.stages))].filter((name) => this.values.has(name) && !goingOn.has(name));
    const keyOf = (name: string) => this.plan.stages.find((stage) => stage.name === name)!.key;
    return {
      type: "sweep-halved", of: halving.stage, step: this.rungStep(halving.every), metric: halving.metric,
      kept: told(kept), ended: told(ended), stopped: stopped.map((stage) => ({ stage, key: keyOf(stage) })),
    };
  }

  /** Carries a decision out; gives the stages that go on. */
  apply({ step, stopped }: Decision): string[] {
    this.decided = step;
    for (const { stage } of stopped) this.stopped.add(stage);
    const goingOn = [...this.values.keys()].filter((name) => !this.stopped.has(name));
    this.values.clear();
    return goingOn;
  }

  private rungStep(every: number): number {
    return (Math.floor(this.decided / every) + 1) * every;
  }

  /** The mean over a variant's seeds; undefined where none has a number. */
  private valueOf({ stages }: Contender): number | undefined {
    const values = stages.flatMap((name) => this.values.get(name) ?? []);
    return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
  }
}
