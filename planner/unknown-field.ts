import { meant, suggestion } from "../foundation/suggest.js";
import { namesKey } from "../foundation/secrets.js";
import { stageKinds } from "../schemas/stages/table.js";
import { isObject, membersOf } from "./members.js";

type Schema = Readonly<Record<string, unknown>>;

/** How deep the members of members are looked through for a field that stands too far out. */
const deepest = 3;

/** What may have been meant by a field that an object does not have. `schema`: of the object. */
export function unknownFieldHint(name: string, schema: Schema): string {
  const known = Object.keys(membersOf(schema["properties"]));
  if (namesKey(name) && known.includes("secret")) return "name an environment variable that holds it in `secret`";
  const near = meant(name, known);
  if (near !== undefined) return `\`${name}\`: ${near}`;
  const inside = placesOf(name, schema, deepest);
  if (inside.length > 0 && inside.length <= 3) return `it is a field of ${inside.map((place) => `\`${place}\``).join(" and of ")}`;
  const isStage = "const" in membersOf(membersOf(schema["properties"])["kind"]);
  const kinds = Object.entries(stageKinds).filter(([, { parameters }]) => Object.hasOwn(parameters.shape, name)).map(([kind]) => kind);
  if (isStage && kinds.length > 0 && kinds.length <= 3) return `it is a field of ${kinds.map((kind) => `\`${kind}\``).join(" and ")} stages; ${lists}`;
  return suggestion(name, known) ?? lists;
}

const lists = "docs/spec.md lists the fields";

/** The members, nearest first, that have a field of this name: "resources", "tricks.gae". Of several depths only the nearest. */
function placesOf(name: string, schema: Schema, depth: number): string[] {
  const found = Object.entries(membersOf(schema["properties"])).flatMap(([member, inner]) =>
    formsOf(inner).flatMap((form) => (Object.hasOwn(membersOf(form["properties"]), name) ? [member] : depth > 1 ? placesOf(name, form, depth - 1).map((place) => `${member}.${place}`) : [])));
  const least = Math.min(...found.map((place) => place.split(".").length));
  return [...new Set(found.filter((place) => place.split(".").length === least))];
}

function formsOf(schema: unknown): Schema[] {
  if (!isObject(schema)) return [];
  const { anyOf } = schema;
  return Array.isArray(anyOf) ? anyOf.filter(isObject) : [schema];
}
