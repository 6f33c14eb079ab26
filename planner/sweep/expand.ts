import { sweepLimit, sweepSchema, type PlannedSweep, type Sweep } from "../../schemas/sweep.js";
import { isObject, membersOf } from "../members.js";
import type { Fault } from "../fault.js";
import { Copies, type Copy } from "./copies.js";
import { dimensionsOf, type Dimension, type Point } from "./dimensions.js";
import { goalFaults } from "./goals.js";
import { placer, type Place } from "./places.js";

/** A spec with its sweep written out. */
export interface Expansion {
  /** The spec as if all copies had been written by hand; as it was, but without its sweep, where that has faults. */
  readonly value: Readonly<Record<string, unknown>>;
  /** Undefined where the sweep has faults. */
  readonly sweep: PlannedSweep | undefined;
  /** What is wrong with the sweep itself. */
  readonly faults: readonly Fault[];
  /** Puts faults of the expanded spec where the text has what they are about. */
  readonly place: Place;
}

/** Writes out a sweep that has the right form; `template`: the members of the spec without it. */
export function expandSweep(template: Readonly<Record<string, unknown>>, written: unknown): Expansion {
  const sweep = sweepSchema.parse(written);
  const { dimensions, faults } = dimensionsOf(template, sweep);
  const none = (found: readonly Fault[]): Expansion => ({ value: template, sweep: undefined, faults: found, place: (all) => [...all] });
  if (faults.length > 0) return none(faults);
  const size = dimensions.reduce((product, { points }) => product * points.length, 1);
  if (size > sweepLimit) {
    const factors = dimensions.map(({ name, points }) => `${points.length} of ${name}`).join(" × ");
    return none([tooLarge(`the sweep has ${size} variants: ${factors}`)]);
  }
  const copies = new Copies(template);
  const combinations = combinationsOf(dimensions).map((points) => ({ points, stages: copies.combine(points) }));
  const [data, models, stages] = [copies.of("data"), copies.of("models"), copies.of("stages")];
  const own = [
    ...copies.obstacles.map(({ change, message }): Fault => ({ code: "TL_SPEC_CONFLICT", path: change.named, part: "key", message })),
    ...copies.taken.map(({ section, name, template: of }): Fault => ({
      code: "TL_SPEC_NAME_TAKEN", path: [section, of], part: "key", message: `a copy of \`${of}\` would be called \`${name}\`, and something else is already`, hint: "rename an axis, a variant or a stage",
    })),
    ...(stages.length > sweepLimit ? [tooLarge(`the sweep comes to ${stages.length} stages`)] : []),
  ];
  if (own.length > 0) return none(own);
  const planned = plannedSweep(sweep, dimensions, combinations);
  const entries = (found: readonly Copy[]) => Object.fromEntries(found.map(({ name, written: content }) => [name, content]));
  const sections = Object.entries({ data, models, stages }).filter(([section]) => isObject(template[section])).map(([section, found]) => [section, entries(found)]);
  return {
    value: { ...template, ...approval(template, planned), ...Object.fromEntries(sections) },
    sweep: planned, faults: goalFaults(template, planned, stages), place: placer(template, [...data, ...models, ...stages]),
  };
}

function tooLarge(message: string): Fault {
  return { code: "TL_SPEC_WRONG_VALUE", path: ["sweep"], part: "key", message, hint: `at most ${sweepLimit}: split it, or draw \`random\` values instead of a grid` };
}

/** Every combination, the last dimension changing first. */
function combinationsOf(dimensions: readonly Dimension[]): Point[][] {
  return dimensions.reduce<Point[][]>((all, { points }) => all.flatMap((before) => points.map((point) => [...before, point])), [[]]);
}

function plannedSweep(
  { parallel, objective, halving }: Sweep, dimensions: readonly Dimension[], combinations: readonly { readonly points: readonly Point[]; readonly stages: ReadonlyMap<string, string> }[],
): PlannedSweep {
  const names = [...combinations[0]!.stages.keys()];
  const multiplied = names.filter((name) => combinations.some(({ stages }) => stages.get(name) !== name));
  return {
    variants: combinations.map(({ points, stages }) => {
      const ofKind = (isSeeds: boolean) => points.flatMap((point, index) => dimensions[index]!.isSeeds === isSeeds ? [{ point, dimension: dimensions[index]!.name }] : []);
      const settings = ofKind(false);
      return {
        name: settings.map(({ point }) => point.label).join(".") || "default",
        seed: ofKind(true).map(({ point }) => point.setting).join(", "),
        settings: Object.fromEntries(settings.map(({ point, dimension }) => [dimension, point.setting])),
        stages: Object.fromEntries(multiplied.map((name) => [name, stages.get(name)!])),
      };
    }),
    ...(parallel !== undefined && { parallel }), ...(objective !== undefined && { objective }), ...(halving !== undefined && { halving }),
  };
}

/** Whoever has to let a stage through has to let through each of its copies. */
function approval(template: Readonly<Record<string, unknown>>, { variants }: PlannedSweep): Readonly<Record<string, unknown>> {
  const { before, ...rest } = membersOf(template["approval"]);
  if (before === undefined) return {};
  const copies = (name: unknown): unknown[] => {
    const found = typeof name === "string" ? variants.flatMap(({ stages }) => stages[name] ?? []) : [];
    return found.length === 0 ? [name] : found;
  };
  return { approval: { ...rest, before: [...new Set([before].flat().flatMap(copies))] } };
}
