import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { guardColumns, guardedFiguresSchema, guardedTables } from "../../docs/guarded-figures.js";
import { sha256 } from "../../foundation/canonical.js";
import { plannedGuardsSchema } from "../../schemas/guards.js";
import { metricsLineSchema } from "../../schemas/report.js";
import { replay } from "../../training/replay.js";

const specText = await readFile("pipelines/guarded-vanilla.json", "utf8");
const specSchema = z.object({ stages: z.record(z.string(), z.record(z.string(), z.json())) });
const guarded = specSchema.parse(JSON.parse(specText)).stages;
const unguarded = specSchema.parse(JSON.parse(await readFile("pipelines/vanilla-against-max.json", "utf8"))).stages;
const figures = guardedFiguresSchema.parse(JSON.parse(await readFile("docs/guarded-vanilla.json", "utf8")));
const curves = z.array(z.object({ stage: z.string(), metrics: z.array(metricsLineSchema) }))
  .parse(JSON.parse(await readFile("docs/vanilla-against-max.json", "utf8")));
const guards = plannedGuardsSchema.parse(guarded["vanilla-21"]!["guards"]);

describe("the guards of pipelines/guarded-vanilla.json", () => {
  it("watch the vanilla stages of vanilla-against-max.json, and rest on the same stages", () => {
    for (const [name, { guards: own, heldOutReward: _, ...stage }] of Object.entries(guarded)) {
      if (name === "held-out-rm") continue;
      expect(stage, name).toEqual(unguarded[name]);
      if (name.startsWith("vanilla")) expect(plannedGuardsSchema.parse(own), name).toEqual(guards);
    }
  });

  it("find nothing in PPO-max's committed curves, and stop vanilla PPO where the committed run was stopped", () => {
    expect(curves.map(({ stage }) => stage).sort()).toEqual(["max-21", "max-22", "max-23", "vanilla-21", "vanilla-22", "vanilla-23"]);
    for (const { stage, metrics } of curves) {
      const { endsAfter, guards: found } = replay(guards, metrics);
      expect(endsAfter, stage).toBe(figures.guarded.stopped.find((each) => each.stage === stage)?.step);
      if (stage.startsWith("max")) for (const { breach } of Object.values(found)) expect(breach).toBeUndefined();
    }
  });

  it("are those of the committed figures, in which every vanilla stage was stopped where its curves say", () => {
    expect(figures.spec.digest).toBe(sha256(specText));
    expect(figures.guarded.stopped.map(({ seed }) => seed)).toEqual([21, 22, 23]);
    for (const { stage, endsAfter } of figures.unguarded.stages) {
      expect(figures.guarded.stopped.find((each) => each.stage === stage)?.step, stage).toBe(endsAfter);
    }
  });

  it("did what docs/guards.md says", async () => {
    const page = await readFile("docs/guards.md", "utf8");
    expect(page).toContain(`| stage | ${guardColumns.join(" | ")} |`);
    expect([...guardColumns].sort()).toEqual(Object.keys(guards).sort());
    for (const row of guardedTables(figures)) expect(page).toContain(row);
  });
});
