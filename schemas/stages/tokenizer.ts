import { z } from "zod";
import { tokenCount } from "../counts.js";
import { operationalParameters, reference } from "./common.js";

export const tokenizerParameters = z.strictObject({
  kind: z.literal("tokenizer"),
  description: z.string().optional(),
  data: z.union([reference("a data entry"), z.array(reference("a data entry")).min(1)]).describe("Data whose training text the merges are learnt from."),
  vocabulary: tokenCount.min(261).describe("Size, special tokens and 256 bytes included; 261 has no merges."),
  isolateHan: z.boolean().default(true).describe("Sets each Han character apart before merging."),
  ...operationalParameters,
}).describe("Trains a byte-level BPE and writes tokenizer.json.");
