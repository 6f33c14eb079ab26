import { describe, expect, it } from "vitest";
import { changedParameters, overridesOf, pastOf, readCourse, rolledBack, writeCourse, type Course } from "../../activities/course.js";
import { temporaryDirectory } from "../training/support.js";

const twice: Course = {
  rollbacks: [
    { guard: "kl", from: 9, to: 4, change: { policyLearningRate: 4e-5, tricks: { klPenalty: { coefficient: 0.1 }, gae: { lambda: 0.9, gamma: 1 } } } },
    { guard: "length", from: 8, to: 6, change: { temperature: 1, tricks: { klPenalty: { coefficient: 0.2 }, clippedSurrogate: false } } },
  ],
  discarded: "",
};

describe("a stage's course", () => {
  it("changes parameters by all its rollbacks, tricks one by one, the newest word counting", () => {
    expect(overridesOf(twice)).toEqual({
      policyLearningRate: 4e-5, temperature: 1, tricks: { klPenalty: { coefficient: 0.2 }, gae: { lambda: 0.9, gamma: 1 }, clippedSurrogate: false },
    });
    expect(changedParameters({ steps: 80, policyLearningRate: 8e-5, tricks: { clippedSurrogate: { range: 0.2 }, gradientClipping: { norm: 1 } } }, twice)).toMatchObject({
      steps: 80, policyLearningRate: 4e-5, tricks: { clippedSurrogate: false, gradientClipping: { norm: 1 }, klPenalty: { coefficient: 0.2 } },
    });
    expect(overridesOf({ rollbacks: [], discarded: "" })).toEqual({});
  });

  it("keeps the lines that a rollback discards, with its number, and the others", () => {
    const metrics = [1, 2, 3].map((step) => `{"step":${step}}\n`).join("");
    const { course, metrics: left } = rolledBack({ ...twice, discarded: "{}\n" }, { guard: "kl", step: 3, metric: "m", bound: "", then: "roll-back", to: 1, change: { temperature: 2 } }, metrics);
    expect(left).toBe("{\"step\":1}\n");
    expect(course.discarded).toBe("{}\n{\"step\":2,\"rollback\":3}\n{\"step\":3,\"rollback\":3}\n");
    expect(course.rollbacks.at(-1)).toEqual({ guard: "kl", from: 3, to: 1, change: { temperature: 2 } });
    expect(pastOf(course)).toEqual({ rolledBack: ["kl", "length", "kl"], since: 1 });
  });

  it("comes back from a checkpoint's files, and has none where there was no rollback", async () => {
    const directory = await temporaryDirectory();
    await writeCourse(directory, { rollbacks: [], discarded: "" });
    expect(await readCourse(directory)).toEqual({ rollbacks: [], discarded: "" });
    await writeCourse(directory, { ...twice, discarded: "{}\n" });
    expect(await readCourse(directory)).toEqual({ ...twice, discarded: "{}\n" });
  });
});
