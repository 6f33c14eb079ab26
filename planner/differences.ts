import { basename } from "node:path";
import { canonicalJson } from "../foundation/canonical.js";
import type { PlanInput, PlannedStage } from "../schemas/plan.js";

/**
 * What changed between two plans of a stage, in words, one phrase a change: everything that makes its key another one,
 * and nothing else. `willRun` names stages of the newer plan that will run.
 */
export function differences(before: PlannedStage, now: PlannedStage, willRun: ReadonlySet<string>): string[] {
  if (before.key === now.key) return [];
  const changes = [
    ...scalarChange(`the implementation of ${now.kind}`, before.keyParts["version"], now.keyParts["version"]),
    ...scalarChange(`seed of ${now.name}`, before.keyParts["seed"], now.keyParts["seed"]),
    ...memberChanges(before.keyParts["parameters"], now.keyParts["parameters"], []).map((change) => change(now.name)),
    ...inputChanges(before, now, willRun),
  ];
  return changes.length > 0 ? changes : ["its key is computed in another way than before"];
}

type Value = PlannedStage["keyParts"][string] | undefined;

function scalarChange(what: string, before: Value, now: Value): string[] {
  return canonicalJson(before ?? null) === canonicalJson(now ?? null) ? [] : [`${what} changed from ${shown(before)} to ${shown(now)}`];
}

function memberChanges(before: Value, now: Value, way: readonly string[]): ((stage: string) => string)[] {
  if (canonicalJson(before ?? null) === canonicalJson(now ?? null)) return [];
  if (isObject(before) && isObject(now)) {
    const names = [...new Set([...Object.keys(now), ...Object.keys(before)])];
    return names.flatMap((name) => memberChanges(before[name], now[name], [...way, name]));
  }
  return [(stage) => `${way.join(".")} of ${stage} ${changeOf(way, before, now)}`];
}

/** Tricks are on or off; other members change their value. */
function changeOf(way: readonly string[], before: Value, now: Value): string {
  if (way.length === 2 && way[0] === "tricks") return now === undefined ? "is now off" : "is now on";
  if (before === undefined) return `is now ${shown(now)}`;
  return now === undefined ? `is no longer set (was ${shown(before)})` : `changed from ${shown(before)} to ${shown(now)}`;
}

function inputChanges(before: PlannedStage, now: PlannedStage, willRun: ReadonlySet<string>): string[] {
  const [identitiesBefore, identitiesNow] = [before.keyParts["inputs"], now.keyParts["inputs"]];
  const fields = [...new Set([...Object.keys(now.inputs), ...Object.keys(before.inputs)])];
  // What changed here tells more than what changed upstream.
  fields.sort((a, b) => Number(now.inputs[a]?.from !== "data") - Number(now.inputs[b]?.from !== "data"));
  return [...new Set(fields.flatMap((field) => {
    const [old, fresh] = [memberOf(identitiesBefore, field), memberOf(identitiesNow, field)];
    if (canonicalJson(old ?? null) === canonicalJson(fresh ?? null)) return [];
    return inputChange(field, now.name, before.inputs[field], now.inputs[field], willRun);
  }))];
}

function inputChange(field: string, stage: string, before: PlanInput | undefined, now: PlanInput | undefined, willRun: ReadonlySet<string>): string[] {
  if (now === undefined) return [`${stage} no longer reads \`${field}\``];
  if (before === undefined) return [`${stage} now reads \`${field}\``];
  if (before.from === "data" && now.from === "data") return dataChanges(field, stage, before, now);
  if (before.from === "stage" && now.from === "stage" && before.stage === now.stage) return [upstream(now.stage, willRun)];
  if (before.from === "scratch" && now.from === "scratch") {
    const sizes = memberChanges(before.configuration, now.configuration, []).map((change) => change(`model ${now.model}`));
    return sizes.length > 0 ? sizes : [upstream(now.tokenizer, willRun)];
  }
  if (before.from === "directory" && now.from === "directory" && before.path === now.path) return [`the files in ${now.path} changed`];
  return [`${field} of ${stage} is now ${nameOf(now)} instead of ${nameOf(before)}`];
}

const upstream = (stage: string, willRun: ReadonlySet<string>): string =>
  willRun.has(stage) ? `upstream \`${stage}\` will run` : `upstream \`${stage}\` has another result`;

type DataInput = Extract<PlanInput, { readonly from: "data" }>;

function dataChanges(field: string, stage: string, before: DataInput, now: DataInput): string[] {
  const names = (input: DataInput): string => input.entries.map(({ name }) => name).join(", ");
  if (before.entries.length !== now.entries.length) return [`${field} of ${stage} changed from ${names(before)} to ${names(now)}`];
  return now.entries.flatMap((entry, index) => {
    const old = before.entries[index]!;
    return [
      ...contentChange(field, stage, old, entry),
      ...scalarChange(`format of data entry ${entry.name}`, old.format, entry.format),
      ...scalarChange(`holdout of data entry ${entry.name}`, old.holdout, entry.holdout),
      ...scalarChange(`maxBadShare of data entry ${entry.name}`, old.maxBadShare, entry.maxBadShare),
    ];
  });
}

function contentChange(field: string, stage: string, before: DataInput["entries"][number], now: DataInput["entries"][number]): string[] {
  if (before.digest === now.digest) return [];
  if (before.path === now.path) return [`the content of ${basename(now.path)} changed`];
  const [old, fresh] = basename(before.path) === basename(now.path) ? [before.path, now.path] : [basename(before.path), basename(now.path)];
  return [`${field} of ${stage} changed from ${old} to ${fresh}`];
}

function nameOf(input: PlanInput): string {
  switch (input.from) {
    case "stage":
      return `\`${input.stage}\``;
    case "directory":
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

const memberOf = (value: Value, name: string): Value => isObject(value) ? value[name] : undefined;

const shown = (value: Value): string => value === undefined ? "nothing" : typeof value === "string" ? value : JSON.stringify(value);
