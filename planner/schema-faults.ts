import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import type { JSONPath } from "jsonc-parser";
import { pipelineJsonSchema } from "../schemas/json-schema.js";
import { stageKinds } from "../schemas/stages/table.js";
import { withoutKeys } from "../foundation/secrets.js";
import { suggestion } from "../foundation/suggest.js";
import type { Fault } from "./fault.js";
import { formsInWords, meantForm, namingMembers, objectForms } from "./forms.js";
import { isObject } from "./members.js";
import { boundHint, typeHint } from "./type-hints.js";
import { unknownFieldHint } from "./unknown-field.js";

let validator: ValidateFunction | undefined;

/** What the JSON Schema finds wrong with a spec's value: every fault, and of alternatives only the one that was meant. */
export function schemaFaults(value: unknown): Fault[] {
  // The schema itself is checked by a test; checking and optimising it here would only take time.
  validator ??= new Ajv({
    allErrors: true, verbose: true, discriminator: true, strictTypes: false, validateSchema: false, code: { optimize: false },
  }).compile(pipelineJsonSchema());
  return validator(value) ? [] : meant(validator.errors ?? []).map((error) => faultOf(error, value));
}

type Problem = ErrorObject<string, Record<string, unknown>>;

/**
 * Leaves of each failed `anyOf` only the alternative that was meant: of the right JSON type, of objects the one that their members tell, else with
 * the fewest problems. Where none has the right type, or no form can be told, the `anyOf` itself stays.
 */
function meant(errors: readonly Problem[]): Problem[] {
  const unions = errors.filter((error) => error.keyword === "anyOf");
  const outer = unions.filter((union) => !unions.some((other) => other !== union && isWithin(other, union)));
  const kept = errors.filter((error) => !isNoise(error, errors) && !outer.some((union) => error === union || isWithin(union, error)));
  return [...kept, ...outer.flatMap((union) => {
    const inside = errors.filter((error) => error !== union && isWithin(union, error));
    if (isObject(union.data) && objectForms(alternativesOf(union)).size > 1) {
      const form = meantForm(alternativesOf(union), union.data);
      const isAmbiguous = form === undefined || namingMembers(alternativesOf(union), union.data).length > 1;
      return isAmbiguous ? [union] : meant(inside.filter((error) => alternativeOf(union, error) === String(form)));
    }
    const numbers = new Set(inside.map((error) => alternativeOf(union, error)));
    const fitting = [...numbers].map((number) => inside.filter((error) => alternativeOf(union, error) === number))
      .filter((problems) => !problems.some((problem) => problem.instancePath === union.instancePath && ["type", "const"].includes(problem.keyword)))
      .map(meant).sort((a, b) => a.length - b.length);
    return fitting[0] ?? [union];
  })];
}

/** What another problem says better: the rule inside `propertyNames`, a kind that is missing, a constant of another type. */
function isNoise(error: Problem, errors: readonly Problem[]): boolean {
  return error.propertyName !== undefined
    || (error.keyword === "discriminator" && error.params["tagValue"] === undefined)
    || (["const", "enum"].includes(error.keyword) && errors.some(({ keyword, schemaPath }) =>
      keyword === "type" && parentOf(schemaPath) === parentOf(error.schemaPath)));
}

const parentOf = (schemaPath: string): string => schemaPath.slice(0, schemaPath.lastIndexOf("/"));

function isWithin(union: Problem, error: Problem): boolean {
  return error.schemaPath.startsWith(`${union.schemaPath}/`)
    && (error.instancePath === union.instancePath || error.instancePath.startsWith(`${union.instancePath}/`));
}

function alternativesOf({ parentSchema }: Problem): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(parentSchema?.["anyOf"]) ? parentSchema["anyOf"].map(asObject) : [];
}

const alternativeOf = (union: Problem, error: Problem): string => error.schemaPath.slice(union.schemaPath.length + 1).split("/")[0]!;

type Report = Omit<Fault, "path">;

/** Words for each keyword of JSON Schema that the spec's schema uses. `child` is the member the fault is about. */
const reports: Readonly<Record<string, (problem: Problem, value: unknown) => Report & { readonly child?: string }>> = {
  additionalProperties: ({ params, parentSchema, instancePath }, value) => {
    const name = String(params["additionalProperty"]);
    return {
      code: "TL_SPEC_UNKNOWN_FIELD", child: name, part: "key", message: `\`${name}\` is no ${memberOf(pathOf(instancePath), value)}`,
      hint: unknownFieldHint(name, parentSchema ?? {}),
    };
  },
  required: ({ params, parentSchema, instancePath }, value) => {
    const name = String(params["missingProperty"]);
    const { description, title, type, const: only } = asObject(asObject(parentSchema?.["properties"])[name]);
    const meaning = only !== undefined ? JSON.stringify(only) : description ?? title ?? typeWords[String(type)];
    return {
      code: "TL_SPEC_MISSING_FIELD", child: name, part: "key", message: `\`${name}\` is missing from ${holder(pathOf(instancePath), value)}`,
      ...(typeof meaning === "string" && { hint: `\`${name}\`: ${meaning}` }),
    };
  },
  type: ({ params, parentSchema, data, instancePath }) => wrongType(fieldOf(instancePath), [String(params["type"])], data, parentSchema),
  anyOf: (problem) => {
    const { parentSchema, data, instancePath } = problem;
    const alternatives = alternativesOf(problem);
    const field = fieldOf(instancePath);
    if (isObject(data) && objectForms(alternatives).size > 0) return wrongForm(field, alternatives, data, parentSchema?.["description"]);
    return wrongType(field, alternatives.map((each) => "const" in each ? JSON.stringify(each["const"]) : String(each["type"])), data, parentSchema);
  },
  enum: ({ params, data, instancePath }) => wrongChoice(fieldOf(instancePath), params["allowedValues"], data),
  const: ({ params, data, instancePath }) => wrongChoice(fieldOf(instancePath), [params["allowedValue"]], data),
  discriminator: ({ params }) => {
    const tag = String(params["tag"]);
    const kind = params["tagValue"];
    return typeof kind === "string" ? { ...wrongChoice(`\`${tag}\``, Object.keys(stageKinds), kind), child: tag } : { ...wrongType(`\`${tag}\``, ["string"], kind), child: tag };
  },
  propertyNames: ({ params, parentSchema }) => ({
    code: "TL_SPEC_WRONG_VALUE", child: String(params["propertyName"]), part: "key",
    message: `\`${String(params["propertyName"])}\` is no name`, hint: `names: ${String(asObject(parentSchema?.["propertyNames"])["description"])}`,
  }),
  pattern: ({ parentSchema, data, instancePath }) => ({
    code: "TL_SPEC_WRONG_VALUE", message: `${fieldOf(instancePath)} can't be ${quoted(data)}`,
    hint: `write ${String(parentSchema?.["title"])}`,
  }),
  minItems: ({ instancePath }) => ({ code: "TL_SPEC_WRONG_VALUE", message: `the list ${fieldOf(instancePath)} is empty` }),
  minLength: ({ instancePath }) => ({ code: "TL_SPEC_WRONG_VALUE", message: `the text ${fieldOf(instancePath)} is empty` }),
  minProperties: ({ instancePath }) => instancePath === "/stages"
    ? { code: "TL_SPEC_WRONG_VALUE", message: "there is no stage", hint: "a spec has at least one stage" }
    : { code: "TL_SPEC_WRONG_VALUE", message: `${fieldOf(instancePath)} is empty` },
};

const bounds: Readonly<Record<string, string>> = {
  minimum: "at least", exclusiveMinimum: "more than", maximum: "at most", exclusiveMaximum: "less than",
};

function faultOf(problem: Problem, value: unknown): Fault {
  const path = pathOf(problem.instancePath);
  const bound = bounds[problem.keyword];
  if (bound !== undefined) {
    const message = `${fieldOf(problem.instancePath)} is ${quoted(problem.data)}; it has to be ${bound} ${String(problem.params["limit"])}`;
    const hint = boundHint(problem.params["limit"], problem.data);
    return { code: "TL_SPEC_WRONG_VALUE", path, message, ...(hint !== undefined && { hint }) };
  }
  const report = reports[problem.keyword];
  if (report === undefined) return { code: "TL_SPEC_WRONG_VALUE", path, message: problem.message ?? `breaks the rule \`${problem.keyword}\`` };
  const { child, ...rest } = report(problem, value);
  return { ...rest, path: child === undefined ? path : [...path, child] };
}

const typeWords: Readonly<Record<string, string>> = {
  string: "text in quotes", number: "a number", integer: "a whole number", boolean: "true or false", object: "an object", array: "a list",
};

/** The field at a path in words; an item of a list as \`list[0]\`. */
function fieldOf(pointer: string): string {
  const path = pathOf(pointer);
  return path.length === 0 ? "the spec" : `\`${lastOf(path)}\``;
}

function lastOf(path: JSONPath): string {
  const named = path.findLastIndex((part) => typeof part === "string");
  return path.slice(Math.max(0, named)).map((part, index) => index === 0 ? String(part) : `[${part}]`).join("");
}

/** An object that says of none, or of several, of the forms that a field can have that it is meant. */
function wrongForm(field: string, alternatives: readonly Readonly<Record<string, unknown>>[], data: unknown, description: unknown): Report & { readonly child?: string } {
  const [first, second] = namingMembers(alternatives, data);
  if (second !== undefined) {
    return { code: "TL_SPEC_CONFLICT", child: second, part: "key", message: `${field} has \`${String(first)}\` and \`${second}\`, which are two of its forms`, hint: "leave one of them out" };
  }
  const given = Object.keys(asObject(data)).map((name) => `\`${name}\``).join(", ");
  return {
    code: "TL_SPEC_WRONG_VALUE", message: `${field} has none of the forms that it can have${given === "" ? "" : `: it is an object of ${given}`}`,
    hint: typeof description === "string" ? description : `write ${formsInWords(alternatives, (form) => typeWords[String(form["type"])] ?? "")}`,
  };
}

function wrongType(field: string, expected: readonly string[], data: unknown, schema: object = {}): Report {
  const wanted = [...new Set(expected.map((type) => typeWords[type] ?? `\`${type}\``))].join(" or ");
  const message = `${field} is ${foundWords(data)}; it has to be ${wanted}`;
  const hint = typeHint(expected, data, asObject(schema));
  return { code: "TL_SPEC_WRONG_TYPE", message, ...(hint !== undefined && { hint: withoutKeys(hint) }) };
}

function foundWords(data: unknown): string {
  if (data === null) return "null";
  if (Array.isArray(data)) return "a list";
  if (typeof data === "object") return "an object";
  return typeof data === "string" ? `the text ${quoted(data)}` : quoted(data);
}

function wrongChoice(field: string, allowed: unknown, data: unknown): Report {
  const choices = Array.isArray(allowed) ? allowed.map((each) => typeof each === "string" ? each : JSON.stringify(each)) : [];
  const near = typeof data === "string" ? suggestion(data, choices) : undefined;
  return {
    code: "TL_SPEC_WRONG_VALUE", message: `${field} can't be ${foundWords(data)}`,
    hint: near ?? `write ${choices.map((each) => `\`${each}\``).join(" or ")}`,
  };
}

/** "field of a ppo stage", "trick": what members of the object at a path are called. */
function memberOf(path: JSONPath, value: unknown): string {
  return path.at(-1) === "tricks" ? "trick" : `field of ${holder(path, value).replace(/^the `(.*)` stage$/, "`$1` stages")}`;
}

function holder(path: JSONPath, value: unknown): string {
  if (path.length === 0) return "the spec";
  const [section, name] = path;
  if (path.length === 2 && section === "data") return "a data entry";
  if (path.length === 2 && section === "models") return "this model";
  if (path.length !== 2 || section !== "stages") return `\`${lastOf(path)}\``;
  const kind = asObject(asObject(asObject(value)["stages"])[String(name)])["kind"];
  return typeof kind === "string" ? `the \`${kind}\` stage` : "the stage";
}

/** Path of a JSON pointer, list positions as numbers. */
function pathOf(pointer: string): JSONPath {
  return pointer.split("/").slice(1).map((part) => {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    return /^\d+$/.test(name) ? Number(name) : name;
  });
}

function quoted(data: unknown): string {
  const text = withoutKeys(JSON.stringify(data) ?? String(data));
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}
