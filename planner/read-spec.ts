import { createReadStream } from "node:fs";
import { TruelineError } from "../foundation/errors.js";
import { specSchema, type Spec } from "../schemas/spec.js";
import type { PlannedSweep } from "../schemas/sweep.js";
import { membersOf } from "./members.js";
import { diagnose, SpecError, type Fault } from "./fault.js";
import { schemaFaults } from "./schema-faults.js";
import { secretFaults } from "./secrets.js";
import { parseSource, type Source } from "./source.js";
import { expandSweep, type Expansion } from "./sweep/expand.js";
import type { Place } from "./sweep/places.js";

/** A spec as read: its text with places, and its faults so far; `spec` is there when it has the right form. */
export interface SpecReading {
  readonly source: Source;
  /** The text's value, a sweep written out. */
  readonly value: unknown;
  readonly spec: Spec | undefined;
  readonly sweep: PlannedSweep | undefined;
  readonly faults: readonly Fault[];
  /** Puts faults of `value` where the text has what they are about. */
  readonly place: Place;
}

/**
 * Reads a spec that has the right form: defaults are filled in, references not yet looked at.
 * @throws TL_SPEC_MISSING, TL_SPEC_UNREADABLE; SpecError (TL_SPEC_INVALID) with all its faults.
 */
export async function readSpec(path: string): Promise<Spec> {
  const { source, spec, faults } = interpretSpec(path, await readText(path));
  if (spec === undefined || faults.length > 0) throw new SpecError(path, diagnose(source, faults));
  return spec;
}

/** A spec's text read against syntax and schema, its sweep written out. Never throws. */
export function interpretSpec(file: string, text: string): SpecReading {
  const { source, faults: syntax } = parseSource(file, text);
  const { value, sweep, faults: ofSweep, place } = expanded(source.value);
  const reading = { source, value, sweep, place };
  if (value === undefined) return { ...reading, spec: undefined, faults: syntax };
  const secrets = secretFaults(source.value);
  const told = new Set(secrets.map(({ path = [] }) => path.join("\n")));
  const faults = [...syntax, ...ofSweep, ...secrets, ...place(schemaFaults(value)).filter(({ path = [] }) => !told.has(path.join("\n")))];
  if (faults.length > 0) return { ...reading, spec: undefined, faults };
  const parsed = specSchema.safeParse(value);
  if (parsed.success) return { ...reading, spec: parsed.data, faults };
  return { ...reading, spec: undefined, faults: place(parsed.error.issues.map(({ path, message }): Fault => ({
    code: "TL_SPEC_WRONG_VALUE", message, path: path.map((part) => typeof part === "symbol" ? String(part) : part),
  }))) };
}

function expanded(value: unknown): { readonly value: unknown } & Omit<Expansion, "value"> {
  const { sweep, ...template } = membersOf(value);
  if (sweep === undefined) return { value, sweep: undefined, faults: [], place: (all) => [...all] };
  const faults = schemaFaults({ ...template, sweep }).filter(({ path }) => path?.[0] === "sweep");
  return faults.length > 0 ? { value: template, sweep: undefined, faults, place: (all) => [...all] } : expandSweep(template, sweep);
}

/** The text of a spec's file. @throws TL_SPEC_MISSING, TL_SPEC_UNREADABLE. */
export async function readText(path: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readSome(path));
  } catch (error) {
    if (error instanceof TruelineError) throw error;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") throw new TruelineError("TL_SPEC_MISSING", `${path} is not there.`, { hint: "Name the JSON file of a pipeline.", cause: error });
    const why = code === "EISDIR" ? "it is a directory" : code === "ERR_ENCODING_INVALID_ENCODED_DATA" ? "it is not UTF-8" : String(error);
    throw new TruelineError("TL_SPEC_UNREADABLE", `${path} can't be read: ${why}.`, { cause: error });
  }
}

const maxSpecBytes = 2 ** 24;

/** A file's bytes, of a pipe's too (`<(command)`), as long as they are no more than a spec can be. */
async function readSome(path: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of createReadStream(path)) {
    if (!(chunk instanceof Buffer)) throw new TypeError("A file was read as text.");
    bytes += chunk.length;
    if (bytes > maxSpecBytes) throw new TruelineError("TL_SPEC_UNREADABLE", `${path} is refused: it has more than ${maxSpecBytes / 2 ** 20} MiB.`, { hint: "Name the JSON file of a pipeline." });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
