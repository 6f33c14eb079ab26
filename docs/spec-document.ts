import { z } from "zod";
import { dataUses } from "../data/formats.js";
import { pipelineJsonSchema, type JsonSchema } from "../schemas/json-schema.js";
import { dataFormats, formatShapes } from "../schemas/spec.js";
import { stageMetrics } from "../schemas/metrics.js";
import { stageKinds, type InputDeclaration } from "../schemas/stages/table.js";
import { trickParameters } from "../schemas/tricks.js";
import { ppoPresetRows } from "./preset-rows.js";

const introduction = `# The spec

A pipeline is one JSON file. \`npm run schema\` writes this page from the schemas; \`schemas/pipeline.schema.json\` gives the same to editors:
name it in \`$schema\` for completion and descriptions. JSON has no comments; every part takes a \`description\`.

\`\`\`json
{
  "$schema": "../schemas/pipeline.schema.json",
  "version": 1,
  "name": "my-pipeline",
  "seed": 7,
  "data":   { "hh": { "format": "hh-rlhf", "path": "harmless-base.jsonl.gz", "holdout": 0.1 } },
  "models": { "tiny": { "architecture": "llama", "layers": 4, "hidden": 128, "heads": 4, "context": 256, "tokenizer": "bpe" } },
  "stages": {
    "bpe":  { "kind": "tokenizer", "data": "hh", "vocabulary": 2048 },
    "base": { "kind": "pretrain", "model": "tiny", "data": "hh", "steps": 400 },
    "sft":  { "kind": "sft", "model": "base", "data": "hh" }
  }
}
\`\`\`

- **References make the order.** A stage names what it reads; nobody lists dependencies. Where a model is asked for, the name of an entry
  of \`models\` or of a stage that leaves a model of the right type will do; where data of format \`preference\` would do, the name of a \`preferences\` stage, too. Names are letters, digits and dashes, a letter first.
- **Paths** are looked for beside the spec, then in the folder \`TRUELINE_DATA\`; files that ship with Trueline begin with \`sample/\`. Neither
  \`..\` nor links may leave these folders. Absolute paths need \`--allow-path DIR\`.
- **Keys.** A stage that computes the same from the same inputs is reused. Its key covers kind, resolved parameters, seed, the kind's version,
  the content of files and the keys of the stages it reads. Names, descriptions, the order of members, \`checkpoint\`, \`resources\`, \`deadline\` and the
  place of a file change nothing. \`trueline plan\` says for each stage what would happen, and which change is the reason.
- **Checks.** \`trueline validate\` lists every fault with line, column and what would be right, and exits with 5. Codes are in
  [errors.md](errors.md).

Sources are cited as P: "Secrets of RLHF in Large Language Models Part I: PPO" (arXiv 2307.04964), and C: its released code.
`;

/** docs/spec.md: every part of a spec with its fields, defaults and meaning. */
export function specDocument(): string {
  const properties = membersOf(pipelineJsonSchema()["properties"]);
  const kinds = listOf(membersOf(membersOf(properties["stages"])["additionalProperties"])["oneOf"]);
  const [scratch, files] = listOf(membersOf(membersOf(properties["models"])["additionalProperties"])["anyOf"]);
  return [
    introduction,
    "## Data entries", "", fieldTable(membersOf(membersOf(properties["data"])["additionalProperties"])), "",
    "What a format can serve as:", "", ...dataFormats.options.map((format) => `- \`${format}\` (${formatShapes[format]}): ${dataUses(format).join(", ")}`), "",
    "## Models", "", "From scratch:", "", fieldTable(scratch!), "", "From files ([models.md](models.md) lists the architectures):", "", fieldTable(files!), "",
    "## Stages", "", "Every stage also takes `description`, `checkpoint`, `resources` and `deadline`, all but the tokenizer a `seed` in place of the pipeline's, and those that train [guards](#guards):", "",
    fieldTable(membersOf(kinds[0]), (name) => shared.includes(name)), "",
    ...kinds.map(stageSection),
    "## Guards", "", ...guardSection(kinds), "",
    "## Tricks of PPO", "",
    "`tricks` turns single tricks on with an object, off with `false`. Members that an object leaves out have the preset's value, then the default here.", "",
    ...Object.entries(trickParameters).map(([name, schema]) => trickSection(name, schema)),
    "## Presets", "", ...ppoPresetRows(), "",
    "## Sweep", "", "`sweep` makes variants of the pipeline; [sweeps.md](sweeps.md) says how.", "", ...sweepSection(membersOf(properties["sweep"])), "",
  ].join("\n");
}

function sweepSection(sweep: Record<string, unknown>): string[] {
  const { axes, objective, halving } = membersOf(sweep["properties"]);
  return [
    fieldTable(sweep, (name) => name !== "description"), "", "An axis:", "", fieldTable(membersOf(membersOf(axes)["additionalProperties"]), (name) => name !== "description"), "",
    "The objective:", "", fieldTable(membersOf(objective)), "", "Halving:", "", fieldTable(membersOf(halving)),
  ];
}

const shared = ["checkpoint", "resources", "deadline"];
const common = ["kind", "description", "seed", "guards", ...shared];

/** What a guard may say, and what of each kind it may watch and change. */
function guardSection(kinds: readonly unknown[]): string[] {
  const guarded = kinds.map((kind) => membersOf(membersOf(kind)["properties"])).filter(({ guards }) => guards !== undefined);
  const guardIn = (properties: Readonly<Record<string, unknown>> | undefined) => membersOf(membersOf(properties?.["guards"])["additionalProperties"]);
  const changeIn = (properties: Readonly<Record<string, unknown>>) => {
    const then = membersOf(membersOf(guardIn(properties)["properties"])["then"]);
    const rollBack = membersOf(membersOf(listOf(then["anyOf"])[1]?.["properties"])["rollBack"]);
    return Object.keys(membersOf(listOf(membersOf(membersOf(rollBack["properties"])["change"])["anyOf"])[0]?.["properties"]));
  };
  return [
    "`guards` of a stage that trains names any number of them; [guards.md](guards.md) says how they work. Each has one of the conditions `above`, `below`,",
    "`risesBy`, `fallsBy` and `nan`.", "",
    fieldTable(guardIn(guarded[0]), (name) => name !== "description"), "",
    "What a guard may watch, and what its rollback may `change`:", "",
    ...guarded.flatMap((properties) => {
      const kind = String(membersOf(properties["kind"])["const"]);
      const metrics = Object.entries(stageMetrics).find(([name]) => name === kind)![1];
      return [
        `### Metrics of ${kind}`, "", `A rollback may change ${changeIn(properties).map((name) => `\`${name}\``).join(", ")}.`, "",
        "| metric | |", "|---|---|", ...Object.entries(metrics).map(([name, meaning]) => `| \`${name}\` | ${meaning.replaceAll("|", "\\|")} |`), "",
      ];
    }),
  ].slice(0, -1);
}

function stageSection(schema: unknown): string {
  const kind = String(membersOf(membersOf(membersOf(schema)["properties"])["kind"])["const"]);
  const declaration = Object.entries(stageKinds).find(([name]) => name === kind)![1];
  const inputs = Object.entries<InputDeclaration>(declaration.inputs).map(([field, input]) => `\`${field}\` (${"data" in input ? `data: ${input.data}` : input.accepts.join(", ")})`);
  return [
    `### ${kind}`, "", String(membersOf(schema)["description"]), "", `Reads ${inputs.join(", ")}. Leaves a ${declaration.output}.`, "",
    fieldTable(membersOf(schema), (name) => !common.includes(name)), "",
  ].join("\n");
}

function trickSection(name: string, schema: z.ZodType): string {
  const description = schema.description ?? "";
  const table = fieldTable(z.toJSONSchema(schema, { target: "draft-7", io: "input" }));
  return [`### ${name}`, "", description, "", ...(table === "" ? [] : [table, ""])].join("\n");
}

/** The fields of an object as a table; empty where it has none. */
function fieldTable(schema: JsonSchema, shown: (name: string) => boolean = () => true): string {
  const required = new Set(listOf(schema["required"]).map(String));
  const rows = Object.entries(membersOf(schema["properties"])).filter(([name]) => shown(name)).map(([name, field]) => {
    const { default: byDefault, description = "" } = membersOf(field);
    const missing = required.has(name) ? "required" : byDefault === undefined || name === "tricks" ? "" : `\`${JSON.stringify(byDefault)}\``;
    return `| \`${name}\` | ${typeOf(membersOf(field))} | ${missing} | ${String(description).replaceAll("|", "\\|")} |`;
  });
  return rows.length === 0 ? "" : ["| field | type | default | |", "|---|---|---|---|", ...rows].join("\n");
}

function typeOf(field: Readonly<Record<string, unknown>>): string {
  if (field["const"] !== undefined) return `\`${JSON.stringify(field["const"])}\``;
  if (typeof field["title"] === "string") return field["title"];
  if (field["enum"] !== undefined) return listOf(field["enum"]).map((choice) => `\`${String(choice)}\``).join(", ");
  if (field["anyOf"] !== undefined) return listOf(field["anyOf"]).map((each) => typeOf(membersOf(each))).join(" or ");
  if (field["type"] === "array") return `list of ${typeOf(membersOf(field["items"])).replace("any value", "values")}`;
  if (field["type"] === "object" && field["properties"] === undefined) return "object by name";
  if (field["type"] === "object") return `{ ${Object.keys(membersOf(field["properties"])).map((name) => `\`${name}\``).join(", ")} }`;
  if (field["type"] === undefined) return "any value";
  const words: Readonly<Record<string, string>> = { integer: "whole number", number: "number", string: "text", boolean: "true or false" };
  return `${words[String(field["type"])] ?? String(field["type"])}${rangeOf(field)}`;
}

/** Bounds that say something: not that a number is a safe integer. */
function rangeOf(field: Readonly<Record<string, unknown>>): string {
  const bounds = [["≥", field["minimum"]], [">", field["exclusiveMinimum"]], ["≤", field["maximum"]], ["<", field["exclusiveMaximum"]]] as const;
  const said = bounds.filter(([, bound]) => typeof bound === "number" && Math.abs(bound) < Number.MAX_SAFE_INTEGER);
  return said.length === 0 ? "" : ` ${said.map(([sign, bound]) => `${sign} ${String(bound)}`).join(", ")}`;
}

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value : [];
}
