import { requiredOf } from "./forms.js";
import { isObject, membersOf } from "./members.js";

/** Names that a hint shows. */
const shown = 4;

/** What would be right where a value has another type than the field takes. `schema`: of the field, whose JSON types are `expected`. */
export function typeHint(expected: readonly string[], data: unknown, schema: Readonly<Record<string, unknown>>): string | undefined {
  if (data === null) return "leave it out, or give it a value";
  if (expected.includes("false")) return "`{}` turns it on, `false` off";
  if (expected.some((type) => type === "number" || type === "integer") && typeof data === "string") {
    const number = data.trim();
    if (number !== "" && Number.isFinite(Number(number))) return `write ${number} without quotes`;
    const [, percent] = /^(\d+(?:\.\d+)?)\s*%$/.exec(number) ?? [];
    if (percent !== undefined) return `write ${shareOf(Number(percent))}`;
  }
  switch (expected.join()) {
    case "array":
      return isObject(data) ? "put it in a list: [{…}]" : `write [${JSON.stringify(data)}]`;
    case "object": return objectHint(schema) ?? meaningOf(schema);
  }
  const { enum: choices } = schema;
  return Array.isArray(choices) && choices.length <= shown ? `write ${choices.map((choice) => JSON.stringify(choice)).join(" or ")}` : meaningOf(schema);
}

/** A percentage as the share that it is, without digits that division makes. */
const shareOf = (percent: number): number => Number((percent / 100).toPrecision(12));

/** What would be right where a number is more than the most that a field takes: shares are no percentages. */
export function boundHint(limit: unknown, data: unknown): string | undefined {
  return limit === 1 && typeof data === "number" && data > 1 && data <= 100 ? `${data} % is ${shareOf(data)}` : undefined;
}

function objectHint(schema: Readonly<Record<string, unknown>>): string | undefined {
  const required = requiredOf(schema);
  if (required.length > 0) return `write {${required.slice(0, shown).map((name) => `"${name}": …`).join(", ")}${required.length > shown ? ", …" : ""}}`;
  const names = Object.keys(membersOf(schema["properties"]));
  if (names.length > 0) return `write an object of ${names.slice(0, shown).map((name) => `\`${name}\``).join(", ")}${names.length > shown ? " and others" : ""}`;
  return isObject(schema["additionalProperties"]) ? "write {\"NAME\": …}, each by a name of its own" : undefined;
}

function meaningOf({ title, description }: Readonly<Record<string, unknown>>): string | undefined {
  const meaning = title ?? description;
  return typeof meaning === "string" ? meaning : undefined;
}
