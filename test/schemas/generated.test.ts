import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { pages } from "../../docs/generate.js";
import { schemaFile, schemaText } from "../../schemas/generate.js";
import { pipelineJsonSchema, type JsonSchema } from "../../schemas/json-schema.js";
import { specSchema } from "../../schemas/spec.js";
import { stageKinds } from "../../schemas/stages/table.js";
import { pipeline } from "../planner/pipeline.js";

describe("files written from sources (mend with `npm run schema`)", () => {
  it("the committed JSON Schema is the one that zod gives", () => {
    expect(readFileSync(schemaFile, "utf8") === schemaText(), `${schemaFile} is stale`).toBe(true);
  });

  it.each(Object.entries(pages))("%s is what the sources give", (path, text) => {
    expect(readFileSync(path, "utf8") === text(), `${path} is stale`).toBe(true);
  });
});

describe("the JSON Schema", () => {
  it("is a valid draft-7 schema without keywords that ajv does not know", () => {
    const ajv = new Ajv({ discriminator: true, strict: true, strictTypes: false, strictRequired: false });
    expect(() => ajv.compile(pipelineJsonSchema())).not.toThrow();
  });

  it("accepts the words of editors and of zod alike", () => {
    const validate = new Ajv({ discriminator: true, strictTypes: false }).compile(pipelineJsonSchema());
    expect(validate({ $schema: "../schemas/pipeline.schema.json", ...pipeline() })).toBe(true);
    expect(validate({ ...pipeline(), stages: {} })).toBe(false);
    expect(specSchema.safeParse({ ...pipeline(), stages: {} }).success).toBe(false);
  });

  it("has one alternative a stage kind, each with its own name", () => {
    const stages = (pipelineJsonSchema().properties!["stages"] as JsonSchema).additionalProperties as JsonSchema;
    const kinds = stages.oneOf!.map((each) => (((each as JsonSchema).properties!["kind"]) as JsonSchema).const);
    expect(kinds).toEqual(Object.keys(stageKinds));
  });
});
