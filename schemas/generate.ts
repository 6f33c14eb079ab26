import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pipelineJsonSchema } from "./json-schema.js";

/** Where the committed schema lies, from sources and from dist/ alike. */
export const schemaFile = fileURLToPath(new URL(
  import.meta.url.endsWith(".ts") ? "pipeline.schema.json" : "../../schemas/pipeline.schema.json", import.meta.url));

/** The text that the committed file has to have. */
export function schemaText(): string {
  return `${JSON.stringify(pipelineJsonSchema(), undefined, 1)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(schemaFile, schemaText());
