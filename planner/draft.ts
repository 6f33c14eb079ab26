import type { JSONPath } from "jsonc-parser";
import { z } from "zod";
import { entryNameSchema } from "../schemas/name.js";
import { dataEntrySchema, modelEntrySchema, type DataEntry, type DataFormat, type ModelEntry, type StageSpec } from "../schemas/spec.js";
import { artifactFormats, stageKinds, type ArtifactType, type InputDeclaration, type StageKind } from "../schemas/stages/table.js";
import { membersOf } from "./members.js";
import { rewardReferences } from "./rewards.js";

/**
 * A spec's parts as far as they have the right form, so that references can be checked, and all faults listed at once,
 * though something elsewhere is wrong. A name whose entry has the wrong form is known and has the value undefined.
 */
export interface Draft {
  readonly data: ReadonlyMap<string, DataEntry | undefined>;
  readonly models: ReadonlyMap<string, ModelEntry | undefined>;
  readonly stages: ReadonlyMap<string, DraftStage | undefined>;
  /** Names of stages in `approval.before`, as written. */
  readonly approval: readonly string[];
  /** Files and directories that are named, also by entries of the wrong form. */
  readonly paths: { readonly data: ReadonlyMap<string, string | readonly string[]>; readonly models: ReadonlyMap<string, string> };
}

export interface DraftStage {
  readonly name: string;
  readonly kind: StageKind;
  /** As written, defaults not filled in. */
  readonly written: Readonly<Record<string, unknown>>;
  /** Defaults filled in; undefined where the stage has the wrong form. */
  readonly complete: StageSpec | undefined;
  readonly references: readonly Reference[];
}

/** A name that a stage gives in a field. */
export interface Reference {
  readonly field: string;
  /** Where in the field it stands, if that holds more than the name. */
  readonly way?: JSONPath;
  /** What the plan calls the input, if not by its field. */
  readonly input?: string;
  readonly name: string;
  /** In a mixture. */
  readonly weight?: number;
  readonly declaration: InputDeclaration;
}

/** What a name in a model field means. */
export type Target =
  | { readonly from: "stage"; readonly stage: DraftStage; readonly type: ArtifactType }
  | { readonly from: "model"; readonly name: string; readonly entry: ModelEntry };

/** Takes apart the value of a spec's text, whatever it is. */
export function draftOf(value: unknown): Draft {
  const members = membersOf(value);
  const [data, models, stages] = ["data", "models", "stages"].map((section) => namedMembers(members[section]));
  return {
    data: new Map(data!.map(([name, entry]) => [name, dataEntrySchema.safeParse(entry).data])),
    models: new Map(models!.map(([name, entry]) => [name, modelEntrySchema.safeParse(entry).data])),
    stages: new Map(stages!.map(([name, stage]) => [name, draftStage(name, membersOf(stage))])),
    approval: [membersOf(members["approval"])["before"]].flat().filter((name) => typeof name === "string"),
    paths: { data: pathsOf(data!, dataPath), models: pathsOf(models!, z.string().min(1)) },
  };
}

/** Members whose key is a name; others are faults of their own and referred to by nothing. */
function namedMembers(value: unknown): [string, unknown][] {
  return Object.entries(membersOf(value)).filter(([name]) => entryNameSchema.safeParse(name).success);
}

const dataPath = dataEntrySchema.shape.path;

function pathsOf<Schema extends z.ZodType>(entries: readonly [string, unknown][], schema: Schema): Map<string, z.output<Schema>> {
  return new Map(entries.flatMap(([name, entry]) => {
    const { success, data } = schema.safeParse(membersOf(entry)["path"]);
    return success ? [[name, data] as const] : [];
  }));
}

/** What a name stands for where a model is asked for; undefined where it is unknown or its entry has the wrong form. */
export function targetOf(draft: Draft, name: string): Target | undefined {
  const stage = draft.stages.get(name);
  if (stage !== undefined) return { from: "stage", stage, type: stageKinds[stage.kind].output };
  const entry = draft.models.get(name);
  return entry === undefined ? undefined : { from: "model", name, entry };
}

/** The format of the rows that a stage makes; undefined where what it leaves is no data. */
export function madeFormat({ kind }: DraftStage): DataFormat | undefined {
  const formats: Partial<Record<ArtifactType, DataFormat>> = artifactFormats;
  return formats[stageKinds[kind].output];
}

/** The stage that a name means where data is asked for; undefined where it means an entry, or nothing. */
export function makerOf(draft: Draft, name: string): DraftStage | undefined {
  const stage = draft.data.has(name) ? undefined : draft.stages.get(name);
  return stage !== undefined && madeFormat(stage) !== undefined ? stage : undefined;
}

/** Whether data has rows for evaluation alone: an entry that holds some out, or a stage whose prompts do. True where that is not known. */
export function holdsOut(draft: Draft, name: string, seen: readonly string[] = []): boolean {
  const maker = makerOf(draft, name);
  if (maker === undefined) return draft.data.get(name)?.holdout !== 0;
  // A circle is a fault of its own.
  if (seen.includes(name)) return true;
  const prompts = maker.references.filter(({ declaration }) => "data" in declaration);
  return maker.written["maxHeldOutPrompts"] !== 0 && prompts.some((reference) => holdsOut(draft, reference.name, [...seen, name]));
}

/** The stages that a stage waits for: those it names, and the tokenizer of a model from scratch that it names. */
export function upstreamOf(draft: Draft, stage: DraftStage): string[] {
  const names = stage.references.flatMap(({ name, declaration }) => {
    if ("data" in declaration) return makerOf(draft, name)?.name ?? [];
    const target = targetOf(draft, name);
    if (target === undefined) return [];
    if (target.from === "stage") return [target.stage.name];
    return "tokenizer" in target.entry && draft.stages.has(target.entry.tokenizer) ? [target.entry.tokenizer] : [];
  });
  return [...new Set(names)];
}

function draftStage(name: string, written: Readonly<Record<string, unknown>>): DraftStage | undefined {
  const kind = written["kind"];
  if (typeof kind !== "string" || !isStageKind(kind)) return undefined;
  return { name, kind, written, complete: stageKinds[kind].parameters.safeParse(written).data, references: referencesOf(kind, written) };
}

function referencesOf(kind: StageKind, written: Readonly<Record<string, unknown>>): Reference[] {
  const inputs: Readonly<Record<string, InputDeclaration>> = stageKinds[kind].inputs;
  return Object.entries(inputs).flatMap(([field, declaration]): Reference[] => {
    const named = written[field];
    if (typeof named === "string") return [{ field, name: named, declaration }];
    if ("rewards" in declaration) return rewardReferences(named).map((reference) => ({ field, declaration, ...reference }));
    if (!Array.isArray(named) || !("data" in declaration)) return [];
    return named.flatMap((each: unknown, index): Reference[] => {
      if (typeof each === "string") return [{ field, way: [index], name: each, declaration }];
      const { from, weight = 1 } = membersOf(each);
      return typeof from === "string" && typeof weight === "number" ? [{ field, way: [index], name: from, weight, declaration }] : [];
    });
  });
}

/** The names that a stage gives in its fields, as it is written; none of what is no stage. */
export function referencesIn(written: Readonly<Record<string, unknown>>): Reference[] {
  const kind = written["kind"];
  return typeof kind === "string" && isStageKind(kind) ? referencesOf(kind, written) : [];
}

function isStageKind(kind: string): kind is StageKind {
  return Object.hasOwn(stageKinds, kind);
}
