import type { JSONPath } from "jsonc-parser";
import { membersOf } from "../members.js";
import type { Fault } from "../fault.js";
import type { Copy } from "./copies.js";

/** Puts faults of an expanded spec where the text has what they are about. */
export type Place = (faults: readonly Fault[]) => Fault[];

/** Of a fault that several copies have, those of the first are given, with the number of the others. */
export function placer(template: Readonly<Record<string, unknown>>, copies: readonly Copy[]): Place {
  const made = new Map(copies.map((copy) => [`${copy.section}/${copy.name}`, copy]));
  return (faults) => {
    const found = faults.map((fault) => {
      const copy = made.get((fault.path ?? []).slice(0, 2).join("/"));
      return copy === undefined ? { fault } : { fault: placed(template, copy, fault), copy };
    });
    const sameAs = new Map<string, Set<Copy>>();
    const nameOf = ({ code, path = [], part }: Fault) => JSON.stringify([code, path, part]);
    for (const { fault, copy } of found) {
      if (copy === undefined) continue;
      const name = nameOf(fault);
      sameAs.set(name, (sameAs.get(name) ?? new Set()).add(copy));
    }
    return found.flatMap(({ fault, copy }) => {
      if (copy === undefined) return [fault];
      const [first, ...others] = sameAs.get(nameOf(fault))!;
      if (first !== copy) return [];
      if (copy.name === copy.template) return [fault];
      const where = `${copy.name}${others.length === 0 ? "" : ` and ${others.length} more ${others.length === 1 ? "copy" : "copies"}`}`;
      return [{ ...fault, message: `${fault.message} (in ${where})` }];
    });
  };
}

/** At the change that made the fault, else at the entry of which the copy is one. */
function placed(template: Readonly<Record<string, unknown>>, { section, template: name, changes }: Copy, fault: Fault): Fault {
  const inside = (fault.path ?? []).slice(2);
  const way = inside.map(String);
  for (const { way: changed, named, given } of [...changes].reverse()) {
    const rest = inside.slice(changed.length);
    if (changed.length <= way.length && changed.every((part, index) => part === way[index])) {
      return { ...fault, ...(rest.length === 0 && fault.part === "key" ? { path: named, part: keyOr(named, given) } : { path: [...given, ...rest] }) };
    }
    const isOnTheWay = way.length > 0 && way.every((part, index) => part === changed[index]);
    if (isOnTheWay && !isWritten(membersOf(template[section])[name], way)) return { ...fault, path: named, part: keyOr(named, given) };
  }
  return { ...fault, path: [section, name, ...inside] };
}

/** Where a field and its value stand in one member, the field is that member's key. */
const keyOr = (named: JSONPath, given: JSONPath): "key" | "value" => named === given ? "key" : "value";

function isWritten(value: unknown, way: readonly string[]): boolean {
  const [part, ...rest] = way;
  if (part === undefined) return value !== undefined;
  return isWritten(Array.isArray(value) ? value[Number(part)] : membersOf(value)[part], rest);
}
