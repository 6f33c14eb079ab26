import { z } from "zod";
import { RowFault } from "../fault.js";
import { parseRow, type Content } from "./row.js";

const schema = z.object({ text: z.string("not a string") });

/** {text}: one document a row. */
export function readText(row: unknown): Content {
  const { text } = parseRow(schema, row);
  if (text.trim() === "") throw new RowFault("text is empty");
  return { is: "text", text };
}
