import type { JSONPath } from "jsonc-parser";
import { keyInAddress } from "../../foundation/secrets.js";
import { randomAt } from "../../foundation/random.js";
import type { Axis, Sweep } from "../../schemas/sweep.js";
import { isObject, membersOf } from "../members.js";
import type { Fault } from "../fault.js";
import { fieldOf, type Change, type Field } from "./fields.js";

/** One way in which variants differ. */
export interface Dimension {
  readonly name: string;
  /** Whether it varies seeds alone, which one row of the results pools. */
  readonly isSeeds: boolean;
  readonly points: readonly Point[];
}

/** One of the values of a dimension. */
export interface Point {
  /** Part of the names of the stages that it touches. */
  readonly label: string;
  /** What the dimension is here, in words. */
  readonly setting: string;
  readonly changes: readonly Change[];
}

/** What came of a sweep's axes and variants. */
export interface Dimensions {
  /** The named variants first, seeds last. */
  readonly dimensions: readonly Dimension[];
  readonly faults: readonly Fault[];
}

/** Reads the axes and variants of a sweep that has the right form. `spec`: the value that holds it. */
export function dimensionsOf(spec: unknown, { axes, variants }: Sweep): Dimensions {
  const faults: Fault[] = [];
  const reader = new Reader(spec, faults);
  const named = Object.keys(variants).length === 0 ? [] : [{ name: "variant", isSeeds: false, points: reader.variants(variants) }];
  const onlySeeds = Object.values(axes).filter(({ seeds }) => seeds !== undefined).length === 1;
  const found = Object.entries(axes).map(([name, axis]) => ({ name, isSeeds: axis.seeds !== undefined, points: reader.axis(name, axis, onlySeeds) }));
  const dimensions: Dimension[] = [...named, ...found.filter(({ isSeeds }) => !isSeeds), ...found.filter(({ isSeeds }) => isSeeds)];
  if (dimensions.length === 0) faults.push({ code: "TL_SPEC_CONFLICT", path: ["sweep"], part: "key", message: "the sweep varies nothing", hint: "name something in `axes` or `variants`" });
  for (const name of Object.keys(axes)) {
    if (name === "variant" && named.length > 0) faults.push({ code: "TL_SPEC_NAME_TAKEN", path: ["sweep", "axes", name], part: "key", message: "`variant` is what the sweep's `variants` are called", hint: "rename the axis" });
  }
  return { dimensions, faults };
}

class Reader {
  constructor(private readonly spec: unknown, private readonly faults: Fault[]) {}

  variants(variants: Sweep["variants"]): Point[] {
    return Object.entries(variants).map(([name, changes]) => ({ label: name, setting: name, changes: this.changes(changes, ["sweep", "variants", name]) }));
  }

  axis(name: string, axis: Axis, onlySeeds: boolean): Point[] {
    const place = ["sweep", "axes", name];
    const wrong = (message: string, hint: string): Point[] => {
      this.faults.push({ code: "TL_SPEC_CONFLICT", path: place, part: "key", message, hint });
      return [];
    };
    const { field, values, random, seeds, stages } = axis;
    if (seeds !== undefined) {
      if (field !== undefined || values !== undefined || random !== undefined) return wrong(`the axis \`${name}\` has \`seeds\` and something else to vary`, "make an axis of each");
      if (stages === undefined) return wrong(`the axis \`${name}\` does not say whose \`seeds\` they are`, "name them in `stages`, such as [\"ppo\"]");
      return this.distinct(this.seeds(seeds, stages, place).map((point) => ({ ...point, label: onlySeeds ? `s${point.setting}` : `${name}-${point.setting}` })), [...place, "seeds"]);
    }
    if (stages !== undefined) return wrong(`the axis \`${name}\` names \`stages\`, which only \`seeds\` have`, "name what it varies in `field`");
    if (values !== undefined && random !== undefined) return wrong(`the axis \`${name}\` has \`values\` and \`random\` ones`, "make an axis of each");
    const points = field === undefined ? this.together(name, values, wrong)
      : values !== undefined ? this.listed(field, values, place)
        : random !== undefined ? this.drawn(name, field, random, place) : wrong(`the axis \`${name}\` has no \`values\``, "give it `values`, or `random` ones");
    return this.distinct(points.map((point) => ({ ...point, label: `${name}-${point.label}` })), [...place, "values"]);
  }

  private listed(field: string, values: readonly unknown[], place: JSONPath): Point[] {
    const target = this.field(field, [...place, "field"], "value");
    return target === undefined ? [] : values.map((value, index) => ({
      label: labelOf(value) ?? String(index + 1), setting: typeof value === "string" ? value : JSON.stringify(value),
      changes: this.set(target, value, { named: [...place, "field"], given: [...place, "values", index] }),
    }));
  }

  private together(name: string, values: readonly unknown[] | undefined, wrong: (message: string, hint: string) => Point[]): Point[] {
    if (values === undefined) return wrong(`the axis \`${name}\` does not say what it varies`, "give it a `field` with `values`, or `seeds` with `stages`");
    return values.map((value, index) => {
      const place = ["sweep", "axes", name, "values", index];
      if (!isObject(value)) {
        this.faults.push({ code: "TL_SPEC_WRONG_TYPE", path: place, message: `the axis \`${name}\` has no \`field\`, so that each value is an object of fields`, hint: "name the `field` of the values, or write `{\"stages.ppo.rollouts\": 32}`" });
      }
      return { label: String(index + 1), setting: String(index + 1), changes: this.changes(membersOf(value), place) };
    });
  }

  private drawn(name: string, field: string, { from, to, scale, whole, count }: NonNullable<Axis["random"]>, place: JSONPath): Point[] {
    const wrong = (member: string, message: string): Point[] => {
      this.faults.push({ code: "TL_SPEC_WRONG_VALUE", path: [...place, "random", member], message });
      return [];
    };
    if (from >= to) return wrong("to", `\`to\` is ${to}; it has to be more than \`from\`, which is ${from}`);
    if (scale === "log" && from <= 0) return wrong("from", `\`from\` is ${from}; on a log scale it has to be more than 0`);
    const target = this.field(field, [...place, "field"], "value");
    if (target === undefined) return [];
    const draws = Array.from({ length: count * 20 }, (_, index) => {
      const part = randomAt(seedOf(this.spec), "sweep", name, index).uniform();
      const number = scale === "log" ? Math.exp(Math.log(from) + part * (Math.log(to) - Math.log(from))) : from + part * (to - from);
      return whole ? Math.round(number) : Number(number.toPrecision(3));
    });
    const values = [...new Set(draws)].slice(0, count);
    if (values.length < count) return wrong("count", `between ${from} and ${to} there are too few numbers for ${count} different ones`);
    return values.map((value) => ({ label: labelOf(value)!, setting: String(value), changes: [{ ...target, value, named: [...place, "field"], given: [...place, "random"] }] }));
  }

  private seeds(seeds: NonNullable<Axis["seeds"]>, stages: readonly string[], place: JSONPath): Omit<Point, "label">[] {
    const first = seedOf(this.spec);
    const values = typeof seeds === "number" ? Array.from({ length: seeds }, (_, index) => first + index) : seeds;
    const targets = stages.map((stage, index) => this.field(`stages.${stage}.seed`, [...place, "stages", index], "value"));
    return values.map((value, position) => ({
      setting: String(value),
      changes: targets.flatMap((target, index): Change[] => target === undefined ? [] : [{
        ...target, value, named: [...place, "stages", index], given: [...place, "seeds", ...(typeof seeds === "number" ? [] : [position])],
      }]),
    }));
  }

  private changes(changes: Readonly<Record<string, unknown>>, place: JSONPath): Change[] {
    return Object.entries(changes).flatMap(([text, value]): Change[] => {
      const path = [...place, text];
      const target = this.field(text, path, "key");
      return target === undefined ? [] : this.set(target, value, { named: path, given: path });
    });
  }

  private set(target: Field, value: unknown, place: Pick<Change, "named" | "given">): Change[] {
    if (target.way.length > 0 || isObject(value)) return [{ ...target, value: value ?? undefined, ...place }];
    const { section, entry } = target;
    this.faults.push({ code: "TL_SPEC_WRONG_TYPE", path: place.given, message: `\`${section}.${entry}\` can only be replaced by an object`, hint: `add the field that is meant, such as \`${section}.${entry}.description\`` });
    return [];
  }

  private field(text: string, path: JSONPath, part: "key" | "value") {
    const found = fieldOf(this.spec, text, { path, part });
    if (!("code" in found)) return found;
    this.faults.push(found);
    return undefined;
  }

  /** Of values with one name only one could be told from its copies' names. */
  private distinct(points: readonly Point[], path: JSONPath): Point[] {
    const before = new Map<string, Point>();
    for (const [index, point] of points.entries()) {
      const other = before.get(point.label);
      before.set(point.label, point);
      if (other === undefined) continue;
      const same = other.setting === point.setting;
      this.faults.push({
        code: "TL_SPEC_NAME_TAKEN", path: [...path, index], message: same ? `${point.setting} is given twice` : `${point.setting} and ${other.setting} would both be called \`${point.label}\``,
        hint: same ? "remove one of them" : "make them named `variants`",
      });
    }
    return [...points];
  }
}

/** The seed of the whole pipeline, as far as it is one. */
function seedOf(spec: unknown): number {
  const { seed } = membersOf(spec);
  return typeof seed === "number" && Number.isSafeInteger(seed) && seed >= 0 ? seed : 0;
}

const longestLabel = 40;

/** A value as part of a name; undefined where it makes none. */
function labelOf(value: unknown): string | undefined {
  if (value === null) return "none";
  if (typeof value === "number") return String(value).replace("+", "");
  if (typeof value === "boolean") return String(value);
  if (typeof value !== "string" || keyInAddress(value) !== undefined) return undefined;
  const label = value.replaceAll(/[^A-Za-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  return label === "" || label.length > longestLabel ? undefined : label;
}
