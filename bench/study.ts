/**
 * `npm run study [-- --only NAME] [--folder FOLDER --file FILE] [--harvest]`: runs the specs of pipelines/secrets-of-ppo, or the one of another folder that
 * `--only` names, and writes docs/secrets-of-ppo.json, or that file in docs, from which `npm run schema` makes the page. A spec whose policies
 * the file has under the same keys is skipped; stop it and start it at will.
 * `--harvest` runs nothing and takes what the store has.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { openStore } from "../cli/store.js";
import { curvesOf, readStudy, STUDY_FILE, type Study, type StudyRun } from "../docs/secrets/figures.js";
import { sha256 } from "../foundation/canonical.js";
import { createPlan } from "../planner/plan.js";
import type { Plan, PlannedStage } from "../schemas/plan.js";
import { parseMetrics, REPORT_FILE, reportSchema } from "../schemas/report.js";
import type { Store } from "../store/store.js";
import { METRICS_FILE } from "../training/loop.js";

const { values: { only, harvest, folder, file } } = parseArgs({
  options: {
    only: { type: "string" }, harvest: { type: "boolean", default: false },
    folder: { type: "string", default: "pipelines/secrets-of-ppo" }, file: { type: "string", default: STUDY_FILE },
  },
});
const specs = readdirSync(folder).filter((name) => name.endsWith(".json")).map((name) => basename(name, ".json"));
if (only !== undefined && !specs.includes(only)) throw new Error(`There is no ${only} in ${folder}; there are ${specs.join(", ")}.`);

const store = openStore();
for (const name of only === undefined ? specs : [only]) {
  const path = join(folder, `${name}.json`);
  const plan = await createPlan(path);
  const policies = policiesOf(plan);
  const study = readStudy(file);
  const missing = policies.filter(({ keys }) => !study.runs.some((run) => same(run.keys, keys)));
  if (missing.length === 0) { console.error(`${name}: all ${policies.length} policies are there`); continue; }
  if (!harvest) await run(path);
  const found = (await Promise.all(missing.map((policy) => harvested(store, policy)))).filter((each) => each !== undefined);
  console.error(`${name}: ${found.length} of ${missing.length} missing policies found`);
  if (found.length === 0) continue;
  const replaced = (old: StudyRun) => found.some(({ variant, seed }) => variant === old.variant && seed === old.seed);
  await save({
    specs: { ...study.specs, [name]: sha256(await readFile(path)) },
    versions: { ...study.versions, ...await versions(store, found) }, processors: cpus()[0]?.model ?? process.arch,
    runs: [...study.runs.filter((old) => !replaced(old)), ...found].sort((a, b) => (a.variant === b.variant ? a.seed - b.seed : a.variant < b.variant ? -1 : 1)),
  });
}

interface Policy {
  readonly variant: string;
  readonly seed: number;
  readonly keys: Readonly<Record<string, string>>;
}

/** The policies that a spec's sweep makes, each with the stage that trains it and those that judge it. */
function policiesOf(plan: Plan): Policy[] {
  const byName = new Map(plan.stages.map((stage) => [stage.name, stage]));
  return plan.sweep!.variants.map(({ name, stages }) => {
    const planned = Object.entries(stages).map(([written, copy]): [string, PlannedStage] => [written, byName.get(copy)!]);
    const shared = plan.stages.filter(({ kind }) => kind === "multiple-choice").map((stage): [string, PlannedStage] => [stage.name, stage])
      .filter(([stage]) => !plan.sweep!.variants.some((variant) => Object.values(variant.stages).includes(stage)));
    const kept = [...planned.filter(([, { kind }]) => trains(kind) || kind === "evaluate" || kind === "multiple-choice"), ...shared];
    const { seed } = planned.find(([, { kind }]) => trains(kind))![1];
    return { variant: name, seed, keys: Object.fromEntries(kept.map(([written, { key }]) => [written, key])) };
  });
}

/** Whether a stage of this kind makes the policy. */
function trains(kind: string): boolean {
  return kind === "ppo" || kind === "dpo";
}

function same(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  return Object.keys({ ...a, ...b }).every((name) => a[name] === b[name]);
}

/** What the store has of a policy; undefined where a stage of it is not finished. */
async function harvested({ results, artifacts }: Store, { variant, seed, keys }: Policy): Promise<StudyRun | undefined> {
  const found = await Promise.all(Object.entries(keys).map(async ([name, key]) => ({ name, result: await results.find(key) })));
  if (found.some(({ result }) => result === undefined)) return undefined;
  const byName = new Map(found.map(({ name, result }) => [name, result!]));
  const trained = [...byName.values()].find(({ kind }) => trains(kind))!;
  const directory = ({ artifact }: Pick<typeof trained, "artifact">) => artifacts.directory(artifact);
  const metricsPath = join(directory(trained), METRICS_FILE);
  const report = reportSchema.parse(JSON.parse(await readFile(join(directory(byName.get("eval")!), REPORT_FILE), "utf8")));
  return {
    variant, seed, keys: { ...keys },
    figures: rounded(Object.assign({}, ...[...byName].map(([name, { kind, figures }]) => {
      if (kind === "evaluate") return figures;
      return kind === "multiple-choice" ? { [`${name}/accuracy`]: figures["choice/accuracy"] } : {};
    }))),
    groups: Object.fromEntries(report.groups.map(({ tag, value, candidate, win, lose, prompts }) => [
      `${tag}=${value}`, { gold: round(candidate.gold ?? 0), win: round(win.value), lose: round(lose), prompts },
    ])),
    curves: curvesOf(parseMetrics(await readFile(metricsPath, "utf8"), metricsPath)),
    seconds: Math.round(trained.seconds),
  };
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}

function rounded(figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, round(value)]));
}

/** Versions of what computed, from the ledger of the run that made the first of the policies. */
async function versions({ results, ledger }: Store, [first]: readonly StudyRun[]): Promise<Record<string, string>> {
  const result = first === undefined ? undefined : await results.find(Object.values(first.keys)[0]!);
  if (result === undefined) return {};
  const events = (await ledger.read(result.run)).map(({ event }) => event);
  return Object.assign({}, ...events.map((event) => {
    if (event.type === "run-submitted") return event.versions;
    return event.type === "stage-started" ? event.environment?.versions : undefined;
  }));
}

async function run(path: string): Promise<void> {
  const child = spawn(process.execPath, ["dist/cli/main.js", "run", path], { stdio: ["ignore", "ignore", "inherit"] });
  await once(child, "exit");
}

async function save(study: Study): Promise<void> {
  const lines = study.runs.map((each) => JSON.stringify(each)).join(",\n");
  await writeFile(join("docs", file), `${JSON.stringify({ ...study, runs: [] }).slice(0, -2)}\n${lines}\n]}\n`);
}
