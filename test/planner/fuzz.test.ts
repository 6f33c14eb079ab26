import { describe, expect, it } from "vitest";
import { randomAt, type Random } from "../../foundation/random.js";
import { buildPlan } from "../../planner/build-plan.js";
import { constraintFaults } from "../../planner/constraints.js";
import { draftOf } from "../../planner/draft.js";
import { diagnose, diagnosticText } from "../../planner/fault.js";
import { interpretSpec } from "../../planner/read-spec.js";
import { referenceFaults } from "../../planner/references.js";
import { planSchema } from "../../schemas/plan.js";
import { factsFor, pipeline, type Members } from "./pipeline.js";

const strange: readonly unknown[] = [
  null, true, false, 0, -1, 1.5, 1e308, "", "ppo", "constructor", "__proto__", "灯", [], {}, [[]], { kind: "ppo" }, ["hh", 3], "sft", "hh", "tiny", "rm", Number.MAX_SAFE_INTEGER,
];

/** Every place of a value, as the object or list that holds it and the key. */
function places(value: unknown): { readonly holder: Members; readonly key: string }[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [{ holder: value as Members, key }, ...places(member)]);
}

function mutate(random: Random): string {
  const spec = pipeline();
  for (let count = 1 + random.integer(3); count > 0; count--) {
    const all = places(spec);
    if (all.length === 0) break;
    const { holder, key } = random.pick(all);
    const other = random.pick(all);
    [
      () => { Reflect.deleteProperty(holder, key); },
      () => { holder[key] = structuredClone(random.pick(strange)); },
      () => { holder[key] = structuredClone(other.holder[other.key]); },
      () => { holder[`${key}x`] = holder[key]; },
      () => { holder[other.key] = random.pick(strange); },
      () => { Object.defineProperty(holder, "__proto__", { value: random.pick(strange), enumerable: true, configurable: true, writable: true }); },
      () => { if (typeof holder[key] === "number") holder[key] = holder[key] + 1; },
      () => { holder["description"] = "words"; },
    ][random.integer(8)]!();
  }
  const text = JSON.stringify(spec);
  if (random.integer(8) > 0) return text;
  const at = random.integer(text.length);
  return text.slice(0, at) + random.pick(["", ",", "{", "\"", "\u0000", "//", "\n", "]"]) + text.slice(at + random.integer(3));
}

describe("2,000 mutated specs", () => {
  it("each give a plan or diagnostics with places, and never a crash", () => {
    const counts = { plans: 0, faults: 0 };
    for (let draw = 0; draw < 2000; draw++) {
      const text = mutate(randomAt(draw, "fuzz"));
      const { source, spec, faults: form } = interpretSpec("spec.json", text);
      const draft = draftOf(source.value);
      const facts = factsFor({ data: Object.fromEntries([...draft.data].map(([name, entry]) => [name, { path: entry?.path ?? "" }])) });
      const diagnostics = diagnose(source, [...form, ...referenceFaults(draft, facts), ...constraintFaults(draft, facts)]);
      if (spec !== undefined && diagnostics.length === 0) {
        counts.plans++;
        expect(planSchema.safeParse(JSON.parse(JSON.stringify(buildPlan({ spec, draft, facts, specPath: "/spec.json", text })))).success, text).toBe(true);
        continue;
      }
      counts.faults++;
      expect(diagnostics.length, text).toBeGreaterThan(0);
      for (const diagnostic of diagnostics) {
        expect(diagnosticText(diagnostic), text).not.toMatch(/undefined|\[object|NaN/);
        expect(diagnostic.line).toBeGreaterThan(0);
        expect(diagnostic.column).toBeGreaterThan(0);
      }
    }
    // Both outcomes have to occur, or the mutations test nothing.
    expect(counts.plans).toBeGreaterThan(50);
    expect(counts.faults).toBeGreaterThan(1000);
  });
});
