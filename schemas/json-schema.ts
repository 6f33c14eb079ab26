import { z } from "zod";
import { specSchema } from "./spec.js";

export type JsonSchema = z.core.JSONSchema.JSONSchema;

/**
 * The spec's JSON Schema (draft 7, which editors know best): what a person may write, before defaults are filled in.
 * `discriminator` (an OpenAPI keyword that ajv knows) makes a stage be checked against its own kind alone.
 */
export function pipelineJsonSchema(): JsonSchema {
  return {
    title: "Trueline pipeline",
    ...z.toJSONSchema(specSchema, {
      target: "draft-7", io: "input", reused: "inline",
      override: ({ zodSchema, jsonSchema }) => {
        const { def } = zodSchema._zod;
        if (def.type === "union" && "discriminator" in def) {
          Object.assign(jsonSchema, { type: "object", discriminator: { propertyName: def.discriminator }, required: [def.discriminator] });
        }
      },
    }),
  };
}
