import { describe, expect, it } from "vitest";
import { plannedGuardsSchema } from "../../schemas/guards.js";
import { replay } from "../../training/replay.js";

const guards = plannedGuardsSchema.parse({
  noted: { metric: "a", above: 2, over: 1, then: "note" }, stops: { metric: "a", above: 4, over: 1 }, unseen: { metric: "c", above: 0 }, quiet: { metric: "a", against: "b", fallsBy: 1, over: 1 },
});
const lines = [1, 2, 3, 4, 5, 1, 6].map((a, index) => ({ step: index + 1, a, b: 10 }));

describe("guards shown to recorded metrics", () => {
  it("say when each would first have been breached, and when the stage would have ended", () => {
    const { steps, guards: found, endsAfter } = replay(guards, lines);
    expect([steps, endsAfter]).toEqual([7, 5]);
    expect(Object.entries(found).map(([name, { breach, recorded }]) => [name, breach?.step, recorded])).toEqual([
      ["noted", 3, true], ["stops", 5, true], ["unseen", undefined, false], ["quiet", undefined, true],
    ]);
  });

  it("give what is watched at that step and at the end, as means of five values", () => {
    expect(replay(guards, lines).watched).toEqual({ a: { then: 3, last: 3.8 }, b: { then: 10, last: 10 } });
    expect(replay(guards, lines.slice(0, 2)).watched).toEqual({ a: { last: 1.5 }, b: { last: 10 } });
  });
});
