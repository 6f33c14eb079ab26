import type { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { readRegular } from "../foundation/regular-file.js";

/** Largest text file of a model directory that is read; a tokenizer.json of 250,000 tokens has some 30 MB. */
export const maxTextBytes = 2 ** 28;

/** Far deeper than any file of a model is nested, and far from where recursion over it ends. */
const mostLevels = 1000;

function isDeeperThan(most: number, value: unknown): boolean {
  let level = [value];
  for (let depth = 0; depth <= most && level.length > 0; depth++) {
    level = level.flatMap((each): unknown[] => (typeof each === "object" && each !== null ? Object.values(each) : []));
  }
  return level.length > 0;
}

/** A JSON file in a given form; undefined when it is not there. @throws TL_MODEL_CONFIGURATION naming file and field. */
export async function readJson<Form extends z.ZodType>(path: string, form: Form): Promise<z.output<Form> | undefined> {
  let text: string;
  try {
    text = await readRegular(path, maxTextBytes);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TruelineError("TL_MODEL_CONFIGURATION", `${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (isDeeperThan(mostLevels, value)) {
    throw new TruelineError("TL_MODEL_CONFIGURATION", `${path}: lists and objects in it are nested more than ${mostLevels} deep`, { hint: "Take the file from the model's source again." });
  }
  return inForm(value, form, path);
}

/** A value in a given form. @param path file that it came from. @throws TL_MODEL_CONFIGURATION naming file and field. */
export function inForm<Form extends z.ZodType>(value: unknown, form: Form, path: string): z.output<Form> {
  const parsed = form.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new TruelineError("TL_MODEL_CONFIGURATION", `${path}: ${issue.path.join(".") || "the document"}: ${issue.message}`, { hint: "Take the file from the model's source again." });
}
