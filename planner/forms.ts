import { nearest } from "../foundation/suggest.js";
import { membersOf } from "./members.js";

/** A JSON Schema of one of the forms that a field can have. */
type Form = Readonly<Record<string, unknown>>;

/** The forms that are objects, by their places among the alternatives. */
export function objectForms(alternatives: readonly Form[]): ReadonlyMap<number, Form> {
  return new Map([...alternatives.entries()].filter(([, form]) => form["type"] === "object"));
}

/** Members that a form can't do without, the one that names it first. */
export function requiredOf(form: Form): string[] {
  const { required } = form;
  return Array.isArray(required) ? required.filter((name) => typeof name === "string") : [];
}

/** The members of an object by which it names forms: "module" and "url" of a reward that has both. */
export function namingMembers(alternatives: readonly Form[], data: unknown): string[] {
  return [...objectForms(alternatives).values()].flatMap((form) => requiredOf(form).slice(0, 1)).filter((name) => Object.hasOwn(membersOf(data), name));
}

/**
 * The place of the form that an object was meant to have: the one that it names, else the one whose members it has most of, else the one
 * that it has the most misspelt members of. Undefined where several or none fit best.
 */
export function meantForm(alternatives: readonly Form[], data: unknown): number | undefined {
  const given = Object.keys(membersOf(data));
  const ranked = [...objectForms(alternatives)].map(([place, form]) => ({ place, marks: marksOf(form, given) })).sort((a, b) => -compared(a.marks, b.marks));
  const [best, second] = ranked;
  if (best === undefined || second === undefined) return best?.place;
  return best.marks.some((mark) => mark > 0) && compared(best.marks, second.marks) > 0 ? best.place : undefined;
}

function marksOf(form: Form, given: readonly string[]): number[] {
  const required = requiredOf(form);
  const known = Object.keys(membersOf(form["properties"]));
  const [naming = ""] = required;
  const misspelt = given.filter((name) => !known.includes(name));
  const countIn = (names: readonly string[]): number => given.filter((name) => names.includes(name)).length;
  const countNear = (names: readonly string[]): number => misspelt.filter((name) => nearest(name, names) !== undefined).length;
  return [countIn([naming]), countIn(required), countIn(known) + countNear(required), countNear(known)];
}

function compared(a: readonly number[], b: readonly number[]): number {
  return a.map((mark, index) => mark - b[index]!).find((difference) => difference !== 0) ?? 0;
}

/** The forms in words, for a hint: `text in quotes or {"module": …} or a list`. */
export function formsInWords(alternatives: readonly Form[], wordFor: (form: Form) => string): string {
  const words = alternatives.map((form) => {
    const required = form["type"] === "object" ? requiredOf(form) : [];
    return required.length === 0 ? wordFor(form) : `{${required.slice(0, 3).map((name) => `"${name}": …`).join(", ")}${required.length > 3 ? ", …" : ""}}`;
  });
  return [...new Set(words)].join(" or ");
}

