import { basename } from "node:path";
import { z } from "zod";
import { canonicalJson } from "../foundation/canonical.js";
import { filesOf, type DataFile, type FileEntry, type Plan, type PlanInput, type PlannedStage } from "../schemas/plan.js";

/**
 * What changed between two plans of a stage, in words, one phrase a change: everything that makes its key another one,
 * and nothing else. `willRun` names stages of the newer plan that will run; without it, what follows from changes of
 * stages before it is left out.
 */
export function differences(before: PlannedStage, now: PlannedStage, willRun?: ReadonlySet<string>): string[] {
  if (before.key === now.key) return [];
  const changes = [
    ...scalarChange(`the implementation of ${now.kind}`, before.keyParts["version"], now.keyParts["version"]),
    ...scalarChange(`seed of ${now.name}`, before.keyParts["seed"], now.keyParts["seed"]),
    ...memberChanges(before.keyParts["parameters"], now.keyParts["parameters"], now.name),
    ...inputChanges(before, now, willRun),
  ];
  return changes.length > 0 || willRun === undefined ? changes : ["its key is computed in another way than before"];
}

/**
 * What an edit of a spec changed, in words: of each stage what is its own, not what follows from stages before it, and the
 * settings that change no result.
 */
export function planChanges(before: Plan, now: Plan): string[] {
  const stages = new Map(before.stages.map((stage) => [stage.name, stage]));
  const names = new Set(now.stages.map(({ name }) => name));
  return [
    ...now.stages.flatMap((stage) => {
      const old = stages.get(stage.name);
      if (old === undefined) return [`stage ${stage.name} is new`];
      return old.kind === stage.kind ? [...differences(old, stage), ...settingChanges(old, stage)] : [`${stage.name} is now of kind ${stage.kind}, not ${old.kind}`];
    }),
    ...before.stages.filter(({ name }) => !names.has(name)).map(({ name }) => `stage ${name} is no longer in the spec`),
    ...scalarChange("the run's deadline in seconds", before.deadlineSeconds, now.deadlineSeconds),
    ...scalarChange("notify", jsonOf(before.notify), jsonOf(now.notify)),
  ];
}

/** Changes of what a key leaves out: they change no result. */
function settingChanges(before: PlannedStage, now: PlannedStage): string[] {
  const counted = new Set(["kind", "seed", "description", ...Object.keys(before.inputs), ...Object.keys(now.inputs),
    ...membersIn(before.keyParts["parameters"]), ...membersIn(now.keyParts["parameters"])]);
  const settings = (stage: PlannedStage): Value => Object.fromEntries(Object.entries(stage.parameters).filter(([name]) => !counted.has(name)));
  return [...memberChanges(settings(before), settings(now), now.name), ...scalarChange(`approval of ${now.name}`, jsonOf(before.approval), jsonOf(now.approval))];
}

/** A JSON value, or undefined where there is none. */
export type Value = PlannedStage["keyParts"][string] | undefined;

function scalarChange(what: string, before: Value, now: Value): string[] {
  return canonicalJson(before ?? null) === canonicalJson(now ?? null) ? [] : [`${what} changed from ${shown(before)} to ${shown(now)}`];
}

/** A member whose value is not the same on both sides; undefined where there is none. */
export interface FieldChange {
  readonly path: readonly string[];
  readonly before: Value;
  readonly now: Value;
}

/** Every member that differs, as deep as both sides are objects; with `all`, also those that do not. */
export function fieldChanges(before: Value, now: Value, { path = [], all = false }: { readonly path?: readonly string[]; readonly all?: boolean } = {}): FieldChange[] {
  if (before === undefined && now === undefined) return [];
  if (!all && canonicalJson(before ?? null) === canonicalJson(now ?? null)) return [];
  if (!isObject(before) || !isObject(now)) return [{ path, before, now }];
  const names = [...new Set([...Object.keys(now), ...Object.keys(before)])];
  return names.flatMap((name) => fieldChanges(before[name], now[name], { path: [...path, name], all }));
}

function memberChanges(before: Value, now: Value, of: string): string[] {
  return fieldChanges(before, now).map((change) => `${change.path.join(".")} of ${of} ${changeOf(change.path, change.before, change.now)}`);
}

/** Tricks are on or off; other members change their value. */
function changeOf(way: readonly string[], before: Value, now: Value): string {
  if (way.length === 2 && way[0] === "tricks") return now === undefined ? "is now off" : "is now on";
  if (before === undefined) return `is now ${shown(now)}`;
  return now === undefined ? `is no longer set (was ${shown(before)})` : `changed from ${shown(before)} to ${shown(now)}`;
}

function inputChanges(before: PlannedStage, now: PlannedStage, willRun: ReadonlySet<string> | undefined): string[] {
  const [identitiesBefore, identitiesNow] = [before.keyParts["inputs"], now.keyParts["inputs"]];
  const fields = [...new Set([...Object.keys(now.inputs), ...Object.keys(before.inputs)])];
  // What changed here tells more than what changed upstream.
  fields.sort((a, b) => Number(now.inputs[a]?.from !== "data") - Number(now.inputs[b]?.from !== "data"));
  return [...new Set(fields.flatMap((field) => {
    const [old, fresh] = [memberOf(identitiesBefore, field), memberOf(identitiesNow, field)];
    if (canonicalJson(old ?? null) === canonicalJson(fresh ?? null)) return [];
    const isSame = (entry: number) => canonicalJson(entryOf(old, entry)) === canonicalJson(entryOf(fresh, entry));
    return inputChange(field, now.name, before.inputs[field], now.inputs[field], willRun, isSame);
  }))];
}

function inputChange(
  field: string, stage: string, before: PlanInput | undefined, now: PlanInput | undefined, willRun: ReadonlySet<string> | undefined, isSame: (entry: number) => boolean,
): string[] {
  if (now === undefined) return [`${stage} no longer reads \`${field}\``];
  if (before === undefined) return [`${stage} now reads \`${field}\``];
  if (before.from === "data" && now.from === "data") return dataChanges(field, stage, before, now, willRun, isSame);
  if (before.from === "stage" && now.from === "stage" && before.stage === now.stage) return upstream(now.stage, willRun);
  if (before.from === "scratch" && now.from === "scratch") {
    const sizes = memberChanges(before.configuration, now.configuration, `model ${now.model}`);
    return sizes.length > 0 ? sizes : upstream(now.tokenizer, willRun);
  }
  if (before.from === "file" && now.from === "file" && basename(before.path) === basename(now.path)) return [`the content of ${basename(now.path)} changed`];
  if (before.from === "directory" && now.from === "directory" && before.path === now.path) {
    return [before.digest === now.digest ? `the model under the adapter in ${now.path} is another` : `the files in ${now.path} changed`];
  }
  return [`${field} of ${stage} is now ${nameOf(now)} instead of ${nameOf(before)}`];
}

function upstream(stage: string, willRun: ReadonlySet<string> | undefined): string[] {
  if (willRun === undefined) return [];
  return [willRun.has(stage) ? `upstream \`${stage}\` will run` : `upstream \`${stage}\` has another result`];
}

type DataInput = Extract<PlanInput, { readonly from: "data" }>;

/** `isSame`: whether the key counts the entry at a place as it did before. */
function dataChanges(
  field: string, stage: string, before: DataInput, now: DataInput, willRun: ReadonlySet<string> | undefined, isSame: (entry: number) => boolean,
): string[] {
  const names = (input: DataInput): string => input.entries.map(({ name }) => name).join(", ");
  if (before.entries.length !== now.entries.length) return [`${field} of ${stage} changed from ${names(before)} to ${names(now)}`];
  const reweighed = scalarChange(`weights of ${field} of ${stage}`, jsonOf(before.weights), jsonOf(now.weights));
  return [...reweighed, ...now.entries.flatMap((entry, index) => {
    const old = before.entries[index]!;
    if ("stage" in old || "stage" in entry) {
      if (isSame(index)) return [];
      return "stage" in entry && old.name === entry.name ? upstream(entry.stage, willRun) : [`${field} of ${stage} is now \`${entry.name}\` instead of \`${old.name}\``];
    }
    return [
      ...contentChange(field, stage, old, entry),
      ...scalarChange(`format of data entry ${entry.name}`, old.format, entry.format),
      ...scalarChange(`holdout of data entry ${entry.name}`, old.holdout, entry.holdout),
      ...scalarChange(`maxBadShare of data entry ${entry.name}`, old.maxBadShare, entry.maxBadShare),
    ];
  })];
}

function contentChange(field: string, stage: string, before: FileEntry, now: FileEntry): string[] {
  if (before.digest === now.digest) return [];
  if (before.files !== undefined || now.files !== undefined) return fileChanges(filesOf(before), filesOf(now), now.name);
  if (before.path === now.path) return [`the content of ${basename(now.path)} changed`];
  const [old, fresh] = basename(before.path) === basename(now.path) ? [before.path, now.path] : [basename(before.path), basename(now.path)];
  return [`${field} of ${stage} changed from ${old} to ${fresh}`];
}

/** Which of several files are new, gone, or changed, by name; else it is their order. */
function fileChanges(before: readonly DataFile[], now: readonly DataFile[], entry: string): string[] {
  const [old, fresh] = [before, now].map((files) => new Map(files.map(({ path, digest }) => [path, digest])));
  const said = (paths: readonly string[], what: string) => paths.length === 0 ? [] : [`${what}: ${paths.map((path) => basename(path)).join(", ")}`];
  const changes = [
    ...said([...fresh!.keys()].filter((path) => !old!.has(path)), "added"),
    ...said([...old!.keys()].filter((path) => !fresh!.has(path)), "removed"),
    ...said([...fresh!].filter(([path, digest]) => old!.has(path) && old!.get(path) !== digest).map(([path]) => path), "changed"),
  ];
  return [`files of data entry ${entry} ${changes.length === 0 ? "have another order" : changes.join("; ")}`];
}

function nameOf(input: PlanInput): string {
  switch (input.from) {
    case "stage":
      return `\`${input.stage}\``;
    case "directory": case "file":
      return input.path;
    case "scratch":
      return `the new model \`${input.model}\``;
    case "data":
      return input.entries.map(({ name }) => `\`${name}\``).join(", ");
  }
}

function isObject(value: Value): value is Record<string, Exclude<Value, undefined>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const membersIn = (value: Value): string[] => isObject(value) ? Object.keys(value) : [];

/** A value as plain JSON, members that are undefined left out. */
const jsonOf = (value: unknown): Value => value === undefined ? undefined : z.json().parse(JSON.parse(JSON.stringify(value)));

/** What a key counts of an entry of data. */
const entryOf = (identity: Value, entry: number): Exclude<Value, undefined> => {
  const entries = memberOf(identity, "data");
  return (Array.isArray(entries) ? entries[entry] : undefined) ?? null;
};

const memberOf = (value: Value, name: string): Value => isObject(value) ? value[name] : undefined;

/** A value in a message. */
export const shown = (value: Value): string => value === undefined ? "nothing" : typeof value === "string" ? value : JSON.stringify(value);
