import { canonicalJson } from "../../foundation/canonical.js";
import { referencesIn, type Reference } from "../draft.js";
import { isObject, membersOf } from "../members.js";
import type { Point } from "./dimensions.js";
import { obstacleTo, withField, type Change, type Section } from "./fields.js";

/** An entry of the expanded spec: one that the spec has, or a copy of it with changes. */
export interface Copy {
  readonly section: Section;
  readonly name: string;
  /** The entry that the spec has. */
  readonly template: string;
  readonly written: unknown;
  /** What was changed, in this order. */
  readonly changes: readonly Change[];
}

/** A change that can't be made, and why. */
export interface Obstacle {
  readonly change: Change;
  readonly message: string;
}

/** What one combination of points makes of the spec's entries. */
interface Resolved {
  readonly name: string;
  /** Places of the dimensions that have a part in it, directly or through what it refers to. */
  readonly touched: ReadonlySet<number>;
}

/**
 * Makes the copies of a spec's entries that the combinations of a sweep need. An entry is copied only for what changes it or something
 * that it refers to, and bears the labels of just that; copies with the same content are one, named as the first.
 */
export class Copies {
  private readonly made = new Map<string, Copy>();
  readonly obstacles: Obstacle[] = [];
  /** Copies whose name something else has already. */
  readonly taken: Copy[] = [];
  private readonly known = new Map<string, string>();

  constructor(private readonly spec: Readonly<Record<string, unknown>>) {}

  /** The names of a combination's stages, by what the spec calls them. */
  combine(points: readonly Point[]): ReadonlyMap<string, string> {
    const resolved = new Map<string, Resolved | "under way">();
    const entryOf = (section: Section, name: string): Resolved => {
      const place = `${section}/${name}`;
      const known = resolved.get(place);
      // A circle is a fault of its own, told where references are checked.
      if (known === "under way") return { name, touched: new Set() };
      if (known !== undefined) return known;
      resolved.set(place, "under way");
      const made = this.make(section, name, points, entryOf);
      resolved.set(place, made);
      return made;
    };
    for (const section of ["data", "models"] as const) for (const name of this.names(section)) entryOf(section, name);
    return new Map(this.names("stages").map((name) => [name, entryOf("stages", name).name]));
  }

  /** All copies of a section: those of one entry together, the entries in the spec's order. */
  of(section: Section): Copy[] {
    const copies = [...this.made.values()].filter((copy) => copy.section === section);
    return this.names(section).flatMap((name) => copies.filter(({ template }) => template === name));
  }

  private make(section: Section, name: string, points: readonly Point[], entryOf: (section: Section, name: string) => Resolved): Resolved {
    const touched = new Set<number>();
    const changes: Change[] = [];
    let written = membersOf(this.spec[section])[name];
    for (const [dimension, point] of points.entries()) {
      for (const change of point.changes.filter((each) => each.section === section && each.entry === name)) {
        touched.add(dimension);
        const message = this.obstacle(written, change, changes);
        if (message !== undefined) this.obstacles.push({ change, message });
        else written = withField(written, change.way, change.value);
        changes.push(change);
      }
    }
    const refer = (to: Section, other: string): string => {
      if (!this.has(to, other)) return other;
      const target = entryOf(to, other);
      for (const dimension of target.touched) touched.add(dimension);
      return target.name;
    };
    if (section === "stages" && isObject(written)) {
      written = withReferences(written, (reference) => "data" in reference.declaration
        ? refer(this.has("data", reference.name) ? "data" : "stages", reference.name) : refer(this.has("stages", reference.name) ? "stages" : "models", reference.name));
    }
    if (section === "models" && isObject(written)) {
      const { tokenizer } = membersOf(written);
      if (typeof tokenizer === "string") written = { ...written, tokenizer: refer("stages", tokenizer) };
    }
    const labels = [...touched].sort((a, b) => a - b).map((dimension) => points[dimension]!.label);
    return { name: this.called({ section, name: [name, ...labels].join("."), template: name, written, changes }), touched };
  }

  /** The name of a copy: that of an equal one where there is one. */
  private called(copy: Copy): string {
    const content = `${copy.section}/${copy.template}/${canonicalJson(copy.written ?? null)}`;
    const equal = this.known.get(content);
    if (equal !== undefined) return equal;
    const place = `${copy.section}/${copy.name}`;
    const isTaken = copy.name !== copy.template && (this.made.has(place) || this.has(copy.section, copy.name));
    if (isTaken) this.taken.push(copy);
    this.known.set(content, copy.name);
    this.made.set(place, copy);
    return copy.name;
  }

  /** Why a change can't be made, also because one made before it would be undone. */
  private obstacle(written: unknown, change: Change, before: readonly Change[]): string | undefined {
    const undone = before.find((other) => undoes(change, other));
    if (undone !== undefined) return `\`${[change.section, change.entry, ...change.way].join(".")}\` is set twice: also by ${undone.named.slice(1).join(".")}`;
    return obstacleTo(written, change.way);
  }

  private names(section: Section): string[] {
    return Object.keys(membersOf(this.spec[section]));
  }

  private has(section: Section, name: string): boolean {
    return Object.hasOwn(membersOf(this.spec[section]), name);
  }
}

/** A stage as written, the names in its references replaced. */
function withReferences(written: Readonly<Record<string, unknown>>, rename: (reference: Reference) => string): unknown {
  return referencesIn(written).reduce<unknown>((stage, reference) => {
    const way = [reference.field, ...reference.way ?? []].map(String);
    const member = way.reduce<unknown>((value, part) => Array.isArray(value) ? value[Number(part)] : membersOf(value)[part], stage);
    return withField(stage, isObject(member) ? [...way, "from"] : way, rename(reference));
  }, written);
}

/** Whether a change sets anew what one made before it has set: the same field, an object around it, or a member of the value given there. */
function undoes({ way }: Change, before: Change): boolean {
  const shared = Math.min(way.length, before.way.length);
  if (way.slice(0, shared).some((part, index) => part !== before.way[index])) return false;
  return way.length === shared || isSet(before.value, way.slice(shared));
}

/** Whether a value says what a field of it is: by a member, or by being none that has fields, as \`false\` is of a trick that is off. */
function isSet(value: unknown, [part, ...rest]: readonly string[]): boolean {
  if (part === undefined) return value !== undefined;
  if (Array.isArray(value)) return isSet(value[Number(part)], rest);
  return isObject(value) ? isSet(value[part], rest) : value !== undefined;
}
