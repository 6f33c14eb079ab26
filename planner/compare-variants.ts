import type { Plan } from "../schemas/plan.js";
import type { Side } from "./compare.js";

/** What became of a variant of two sweeps; those that differ by their seeds alone are one. */
export interface ComparedVariant {
  readonly name: string;
  readonly standing: "same" | "differs" | "one";
  /** The side that has it, where only one has. */
  readonly only?: "before" | "now";
  /** Stages, as the spec calls them, of which it has other results: settings, inputs or seeds. */
  readonly changed: readonly string[];
}

/** The variants of two runs, by name, those of the first one first. A run without a sweep has none. Pure. */
export function compareVariants(before: Side, now: Side): ComparedVariant[] {
  const [first, second] = [variantsOf(before.plan), variantsOf(now.plan)];
  return [...new Set([...first, ...second])].map((name): ComparedVariant => {
    if (!first.has(name) || !second.has(name)) return { name, standing: "one", only: first.has(name) ? "before" : "now", changed: [] };
    const [one, other] = [copiesOf(before.plan, name), copiesOf(now.plan, name)];
    const changed = [...new Set([...one.keys(), ...other.keys()])].filter((template) => {
      const [mine, theirs] = [one.get(template) ?? copyAlone(before.plan, template), other.get(template) ?? copyAlone(now.plan, template)];
      return !sameMembers(keysOf(before, mine), keysOf(now, theirs)) && !sameMembers(artifactsOf(before, mine), artifactsOf(now, theirs));
    });
    return { name, standing: changed.length === 0 ? "same" : "differs", changed };
  });
}

const variantsOf = ({ sweep }: Plan): Set<string> => new Set(sweep?.variants.map(({ name }) => name));

/** The stages of a variant, over its seeds, by what the spec calls them, in the plan's order. */
function copiesOf({ sweep, stages }: Plan, variant: string): Map<string, Set<string>> {
  const templates = new Map(sweep?.variants.filter(({ name }) => name === variant).flatMap((each) => Object.entries(each.stages).map(([template, stage]) => [stage, template])));
  const copies = new Map<string, Set<string>>();
  for (const { name } of stages) {
    const template = templates.get(name);
    if (template !== undefined) copies.set(template, (copies.get(template) ?? new Set()).add(name));
  }
  return copies;
}

/** A stage that a sweep has once for all. */
const copyAlone = ({ stages }: Plan, template: string): ReadonlySet<string> => new Set(stages.filter(({ name }) => name === template).map(({ name }) => name));

const keysOf = ({ plan }: Side, names: ReadonlySet<string>): string[] => plan.stages.filter(({ name }) => names.has(name)).map(({ key }) => key);

/** Undefined where one of them has not finished. */
function artifactsOf({ results }: Side, names: ReadonlySet<string>): string[] | undefined {
  const artifacts = [...names].flatMap((name) => results.get(name)?.artifact ?? []);
  return artifacts.length < names.size ? undefined : artifacts;
}

function sameMembers(first: readonly string[] | undefined, second: readonly string[] | undefined): boolean {
  return first !== undefined && second !== undefined && [...first].sort().join() === [...second].sort().join();
}
