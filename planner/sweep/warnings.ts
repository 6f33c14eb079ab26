import type { PlannedStage } from "../../schemas/plan.js";
import type { PlannedSweep } from "../../schemas/sweep.js";
import type { Draft } from "../draft.js";
import type { Facts } from "../facts.js";
import { goalMetricWarnings } from "./goal-metrics.js";

/** What a sweep may do and probably should not, one sentence each. `planned`: its stages with their keys, by name. */
export function sweepWarnings(draft: Draft, facts: Facts, sweep: PlannedSweep, planned: ReadonlyMap<string, PlannedStage>): string[] {
  const names = new Set(sweep.variants.map(({ name }) => name));
  return [
    ...sameVariants(sweep, planned).map((same) => `sweep: the variants ${same.map((name) => `\`${name}\``).join(" and ")} are the same: all their stages have the same keys, and run once`),
    ...(sweep.halving !== undefined && names.size === 1 ? ["sweep: `halving` has one variant to choose from, so that none is ended early; give it more `values` or `variants`"] : []),
    ...goalMetricWarnings(draft, facts, sweep),
  ];
}

/** Names of variants that come to the same, each group once. What differs by its seeds alone has one name. */
function sameVariants({ variants }: PlannedSweep, planned: ReadonlyMap<string, PlannedStage>): string[][] {
  const byContent = new Map<string, Set<string>>();
  for (const { name, stages } of variants) {
    const content = Object.entries(stages).map(([template, copy]) => `${template} ${planned.get(copy)!.key}`).sort().join("\n");
    byContent.set(content, (byContent.get(content) ?? new Set()).add(name));
  }
  const groups = [...byContent.values()].filter(({ size }) => size > 1).map((names) => [...names]);
  return groups.filter((group, index) => groups.findIndex((other) => other.join() === group.join()) === index);
}
