import { describe, expect, it } from "vitest";
import { plannedGuardsSchema, type Guards } from "../../schemas/guards.js";
import type { MetricsLine } from "../../schemas/report.js";
import { breachesIn, gravest, GuardWatch, noPast, type Breach, type Past } from "../../training/guards.js";

type Written = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
const guards = (written: Written): Guards => plannedGuardsSchema.parse(written);
const one = (guard: Readonly<Record<string, unknown>>): Guards => guards({ g: { metric: "m", over: 1, ...guard } });

/** Metrics lines from step 1 on, `m` as given. */
const series = (...values: readonly number[]): MetricsLine[] => values.map((m, index) => ({ step: index + 1, m }));
const steps = (written: Guards, lines: readonly MetricsLine[], past: Partial<Past> = {}): number[] =>
  breachesIn(written, lines, { ...noPast, ...past }).map(({ step }) => step);

describe("a guard", () => {
  it.each([
    ["above", { above: 3 }, series(1, 3, 3.1, 5), 3],
    ["below", { below: 3 }, series(5, 3, 2.9, 1), 3],
    ["risesBy the first value", { risesBy: 2 }, series(1, 0, 3, 3.1), 4],
    ["fallsBy the highest so far, not the first", { fallsBy: 2 }, series(1, 5, 3, 2.9), 4],
  ])("is breached once its metric is out of bounds, and not on the bound: %s", (_, guard, lines, step) => {
    expect(steps(one(guard), lines)).toEqual([step]);
  });

  it("looks at the mean of its last values, and at nothing before it has that many", () => {
    expect(steps(one({ above: 3, over: 3 }), series(9, 1, 1, 1, 9))).toEqual([3, 5]);
    expect(steps(one({ above: 3, over: 3 }), series(9, 9))).toEqual([]);
    expect(breachesIn(one({ above: 3, over: 2 }), series(1, 7))).toMatchObject([{ guard: "g", step: 2, metric: "m", value: 4, bound: "above 3 over 2 steps", then: "stop" }]);
  });

  it("takes the means that it compares over as many values each", () => {
    expect(steps(one({ risesBy: 2, over: 2 }), series(0, 2, 4, 2, 5))).toEqual([5]);
    expect(steps(one({ fallsBy: 2, over: 2 }), series(9, 1, 5, 3, 2))).toEqual([5]);
  });

  it("does not look at steps before `from`, and begins its comparison there", () => {
    expect(steps(one({ above: 3, from: 3 }), series(9, 9, 1, 9))).toEqual([4]);
    expect(steps(one({ fallsBy: 2, from: 3 }), series(9, 9, 4, 3))).toEqual([]);
    expect(steps(one({ above: 3, over: 2, from: 3 }), series(9, 9, 5, 2))).toEqual([4]);
  });

  it("passes over steps that do not measure its metric", () => {
    const lines: MetricsLine[] = [{ step: 1, m: 9 }, { step: 2, x: 0 }, { step: 3, x: 0 }, { step: 4, m: 1 }];
    expect(breachesIn(one({ above: 3, over: 2 }), lines)).toMatchObject([{ step: 4, value: 5 }]);
  });

  it("is breached once, and again only after its condition has been false", () => {
    expect(steps(one({ above: 3, then: "note" }), series(4, 5, 6, 2, 2, 5, 6))).toEqual([1, 6]);
  });

  describe("with a metric against another", () => {
    const both = guards({ g: { metric: "proxy", against: "gold", fallsBy: 0.2, over: 2 } });
    const lines = (...pairs: readonly (readonly [proxy: number, gold: number])[]): MetricsLine[] =>
      pairs.map(([proxy, gold], index) => ({ step: index + 1, proxy, gold }));

    it("is breached when the one falls while the other is higher than it was then", () => {
      expect(breachesIn(both, lines([1, 0.5], [1, 0.7], [1.2, 0.5], [1.2, 0.2]))).toEqual([{
        guard: "g", step: 4, metric: "gold", value: 0.35, then: "stop",
        bound: "more than 0.2 below its best, 0.600 after step 2 (means over 2 steps), while proxy rose from 1.00 to 1.20",
      }]);
    });

    it("is quiet when both fall, and when the one falls too little", () => {
      expect(breachesIn(both, lines([1, 0.5], [1, 0.7], [0.8, 0.5], [0.8, 0.2]))).toEqual([]);
      expect(breachesIn(both, lines([1, 0.5], [1, 0.7], [1.2, 0.5], [1.2, 0.4]))).toEqual([]);
    });
  });

  it("that somebody waived is quiet for that breach alone", () => {
    const isWaived: Past["isWaived"] = (guard, step) => guard === "g" && step === 2;
    expect(steps(one({ above: 3, then: "ask" }), series(1, 4, 5, 2, 4), { isWaived })).toEqual([5]);
  });

  it("has the same breaches whether or not its lines came from a checkpoint in between", () => {
    const written = guards({
      a: { metric: "m", above: 3, over: 3 }, b: { metric: "m", fallsBy: 1, over: 2, then: "note" }, c: { metric: "m", risesBy: 1, over: 4, then: "ask" },
    });
    const lines = series(1, 2, 5, 4, 6, 1, 0, 3, 8, 2, 9, 1);
    const whole = breachesIn(written, lines);
    expect(whole.length).toBeGreaterThan(4);
    for (let cut = 0; cut <= lines.length; cut++) {
      const watch = new GuardWatch(written);
      const text = lines.slice(0, cut).map((line) => JSON.stringify(line));
      const before = text.flatMap((line) => watch.see(JSON.parse(line) as MetricsLine));
      expect([...before, ...lines.slice(cut).flatMap((line) => watch.see(line))], `cut after ${cut}`).toEqual(whole);
    }
  });
});

describe("several guards breached at one step", () => {
  it("are all told, and the severest is acted on: stop, ask, roll back, note", () => {
    const breach = (then: Breach["then"]): Breach => ({ guard: then, step: 1, metric: "m", bound: "", then });
    const all = (["note", "roll-back", "ask", "stop"] as const).map(breach);
    expect([4, 3, 2, 1].map((count) => gravest(all.slice(0, count))?.then)).toEqual(["stop", "ask", "roll-back", undefined]);
    expect(breachesIn(guards({ a: { metric: "m", above: 1, over: 1, then: "note" }, b: { metric: "m", above: 2, over: 1 } }), series(3)).map(({ guard }) => guard)).toEqual(["a", "b"]);
  });
});

it("two guards that roll back at one step do so in the order of their names, not of the spec", () => {
  const back = (learningRate: number) => ({ metric: "m", above: 1, over: 1, then: { rollBack: { change: { learningRate } } } });
  expect(gravest(breachesIn(guards({ b: back(2), a: back(1) }), series(3)))).toMatchObject({ guard: "a", change: { learningRate: 1 } });
});

describe("a guard that rolls back", () => {
  const rollBack = (members: Readonly<Record<string, unknown>>, changes = 1): Guards => one({
    ...members, then: { rollBack: { every: 2, change: Array.from({ length: changes }, (_, index) => ({ learningRate: index + 1 })) } },
  });

  it("goes back to the newest anchor before the values that its mean is over", () => {
    const rising = series(1, 1, 1, 1, 1, 1, 9);
    expect(breachesIn(rollBack({ above: 3, over: 3 }), rising)).toMatchObject([{ then: "roll-back", to: 4, change: { learningRate: 1 } }]);
    expect(breachesIn(rollBack({ above: 3, over: 1 }), rising)).toMatchObject([{ to: 6 }]);
  });

  it("goes back to the newest anchor up to the peak that it fell from", () => {
    expect(breachesIn(rollBack({ fallsBy: 2 }), series(1, 2, 3, 4, 5, 4, 4, 4, 2))).toMatchObject([{ step: 9, to: 4 }]);
  });

  it("goes back to the stage's start where there is no anchor yet, and never beyond an earlier rollback", () => {
    expect(breachesIn(rollBack({ above: 3 }), series(1, 9))).toMatchObject([{ to: 0 }]);
    expect(breachesIn(rollBack({ above: 3, over: 3 }, 2), series(1, 1, 1, 1, 1, 1, 9), { ...noPast, rolledBack: ["g"], since: 6 })).toMatchObject([{ to: 6, change: { learningRate: 2 } }]);
  });

  it("stops the stage once its changes are used up; other guards' rollbacks do not count", () => {
    expect(breachesIn(rollBack({ above: 3 }), series(9), { ...noPast, rolledBack: ["g"] })).toMatchObject([{ then: "stop" }]);
    expect(breachesIn(rollBack({ above: 3 }), series(9), { ...noPast, rolledBack: ["other"] })).toMatchObject([{ then: "roll-back" }]);
  });

  it("answers a loss that is no number, going back to before that step", () => {
    const watch = new GuardWatch(guards({ finite: { nan: true, then: { rollBack: { change: { learningRate: 1 }, every: 5 } } } }));
    for (const line of series(1, 1, 1, 1)) expect(watch.see(line)).toEqual([]);
    expect(watch.diverged(5, "loss/lm")).toEqual({ guard: "finite", step: 5, metric: "loss/lm", bound: "not a finite number", then: "roll-back", change: { learningRate: 1 }, to: 0 });
    expect(watch.diverged(6, "loss/lm")).toMatchObject({ to: 5 });
    expect(new GuardWatch(one({ above: 1 })).diverged(5, "loss/lm")).toBeUndefined();
  });

  it("asks for anchors while it can roll back", () => {
    const due = (past: Partial<Past>) => [1, 2, 3, 4].filter((step) => new GuardWatch(rollBack({ above: 3 }), { ...noPast, ...past }).isAnchor(step));
    expect(due({})).toEqual([2, 4]);
    expect(due({ rolledBack: ["g"] })).toEqual([]);
    expect(new GuardWatch(one({ above: 3 })).isAnchor(2)).toBe(false);
  });

  it.each([
    ["above", { above: 50, over: 5 }], ["falls", { fallsBy: 3, over: 3 }], ["rises", { risesBy: 40, over: 4 }], ["single", { below: -40, over: 1 }],
  ])("keeps every anchor that a later breach goes back to, and few: %s", (_, guard) => {
    // Every way to go on: after any number of steps comes a value that breaches at once.
    for (let calm = 1; calm < 30; calm++) for (let more = 0; more < 12; more++) {
      const watch = new GuardWatch(rollBack(guard));
      const wave = (step: number): MetricsLine => ({ step, m: Math.sin(step * 1.7) });
      for (let step = 1; step <= calm; step++) watch.see(wave(step));
      const kept = watch.anchors();
      expect(kept.length).toBeLessThan(5);
      let found: readonly Breach[] = [];
      for (let step = calm + 1; found.length === 0; step++) {
        found = watch.see(step <= calm + more ? wave(step) : { step, m: "above" in guard || "risesBy" in guard ? 1000 : -1000 });
      }
      const { to = 0 } = found[0]!;
      // Anchors after the calm are saved later.
      if (to > 0 && to <= calm) expect(kept, `${calm} ${more}`).toContain(to);
    }
  });
});
