import { visit } from "jsonc-parser";
import { z } from "zod";
import { TruelineError } from "../foundation/errors.js";
import { sizeOf } from "./parameters.js";

/** Bytes an element, of the types that are read. */
export const elementBytes = { F64: 8, F32: 4, F16: 2, BF16: 2 } as const;
export type ElementType = keyof typeof elementBytes;

export interface TensorEntry {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** Bytes from the end of the header. */
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In the order of their bytes. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Longest header that is read, as in the reference implementation. */
export const maxHeaderBytes = 100_000_000;

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const entryForm = z.strictObject({ dtype: z.string(), shape: z.array(count), data_offsets: z.tuple([count, count]) });
const metadataForm = z.record(z.string(), z.string());

/**
 * Parses a safetensors header and believes none of it: names are unique, types known, sizes follow from shapes, and the
 * tensors fill the file's data from first to last byte without gap or overlap.
 * @param dataBytes bytes in the file after the header.
 * @throws TL_MODEL_FILE, TL_MODEL_UNSUPPORTED (element type), naming the file.
 */
export function parseHeader(text: string, dataBytes: number, path: string): Header {
  const fail = (wrong: string): never => {
    throw new TruelineError("TL_MODEL_FILE", `${path}: ${wrong}`, { hint: "The file is damaged or was tampered with; fetch or write it again." });
  };
  const names = topLevelNames(text);
  if (names === undefined) return fail("the header is not a JSON object");
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice !== undefined) fail(`the header names ${JSON.stringify(twice)} twice`);
  const forbidden = names.find((name) => name === "__proto__" || name === "");
  if (forbidden !== undefined) fail(`the header has a tensor named ${JSON.stringify(forbidden)}`);

  const document = new Map(Object.entries(z.record(z.string(), z.unknown()).parse(JSON.parse(text))));
  const metadata = metadataForm.safeParse(document.get("__metadata__") ?? {});
  if (!metadata.success) return fail("__metadata__ is not an object of strings");
  document.delete("__metadata__");

  const entries = [...document].map(([name, value]) => entryFrom(name, value, path, fail));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of entries) {
    if (end > dataBytes) fail(`tensor ${name} ends at byte ${end} of ${dataBytes}`);
    if (begin < covered) fail(`tensor ${name} begins at byte ${begin}, inside another that ends at ${covered}`);
    if (begin > covered) fail(`bytes ${covered} to ${begin} before tensor ${name} belong to no tensor`);
    covered = end;
  }
  if (covered !== dataBytes) fail(`bytes ${covered} to ${dataBytes} at the end belong to no tensor`);
  return { entries, metadata: metadata.data };
}

function entryFrom(name: string, value: unknown, path: string, fail: (wrong: string) => never): TensorEntry {
  const entry = entryForm.safeParse(value);
  if (!entry.success) return fail(`tensor ${name}: ${entry.error.issues[0]!.path.join(".")}: ${entry.error.issues[0]!.message}`);
  const { dtype, shape, data_offsets: [begin, end] } = entry.data;
  const type = (Object.keys(elementBytes) as ElementType[]).find((known) => known === dtype);
  if (type === undefined) {
    throw new TruelineError("TL_MODEL_UNSUPPORTED", `${path}: tensor ${name} has elements of type ${dtype}`, { hint: `Supported: ${Object.keys(elementBytes).join(", ")}.` });
  }
  const bytes = sizeOf(shape) * elementBytes[type];
  if (end - begin !== bytes) fail(`tensor ${name} of shape [${shape.join(", ")}] and type ${type} needs ${bytes} bytes; its offsets ${begin} to ${end} give it ${end - begin}`);
  return { name, type, shape, begin, end };
}

/** Names in the outermost object, repeated ones too; undefined when the text is no JSON object. */
function topLevelNames(text: string): readonly string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  } catch {
    return undefined;
  }
  const names: string[] = [];
  visit(text, { onObjectProperty: (name, _offset, _length, _line, _character, pathTo) => { if (pathTo().length === 0) names.push(name); } });
  return names;
}
