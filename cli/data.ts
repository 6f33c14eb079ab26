import { join } from "node:path";
import { z } from "zod";
import { combineDatasets, readDataset, type Dataset, type DataSource } from "../data/dataset.js";
import { madeSource } from "../data/made-data.js";
import { TruelineError } from "../foundation/errors.js";
import { suggestion } from "../foundation/suggest.js";
import { tokenizerDirectory } from "../models/adapter-files.js";
import { describeModel } from "../models/configuration.js";
import { Tokenizer } from "../models/tokenizer.js";
import { createPlan } from "../planner/plan.js";
import type { MadeEntry, Plan, PlanInput, PlannedStage } from "../schemas/plan.js";
import { rowLimits } from "../schemas/stages/common.js";
import { readIfThere } from "../store/files.js";
import type { Store } from "../store/store.js";
import { viewRows, type DataView } from "../training/data-view.js";
import { allowPathOption, defineCommand, jsonOption } from "./command.js";
import { wholeNumber } from "./numbers.js";
import { table } from "./output.js";
import { openStore } from "./store.js";

type DataInput = Extract<PlanInput, { from: "data" }>;
type Entry = DataInput["entries"][number];

/** What a stage makes of an entry that it reads in a field. */
interface Reading extends DataView {
  readonly entry: string;
  readonly stage: string;
  readonly field: string;
}

/** `trueline data SPEC [NAME]`: what the data are, and what the stages make of them. */
export const dataCommand = defineCommand({
  name: "data",
  arguments: "<spec> [name]",
  summary: "say what a spec's data hold, and what its stages make of them",
  details: "Reads every data entry that a stage names, or the one given: rows, bad ones, held-out ones; for each stage that reads it the\n"
    + "lengths of its rows, what its limits cut or leave out, and samples as the model sees them. Lengths are in tokens where the stage's\n"
    + "tokenizer is there, from a model's files or an earlier run, else in characters. Pairs that a stage makes are shown once it has.\n"
    + "Nothing is run or written.",
  examples: ["trueline data pipelines/quickstart.json", "trueline data my.json helpful --samples 3", "trueline data my.json --json"],
  options: {
    json: jsonOption, allowPath: allowPathOption,
    samples: { flags: "--samples <number>", summary: "rows that are shown of each reading (default: 1)", schema: wholeNumber(0, 1000).optional() },
  },
  async run({ arguments: [path = "", name], options, output }) {
    const plan = await createPlan(path, { allowPaths: options.allowPath });
    const store = openStore();
    const entries = entriesOf(plan);
    const chosen = name === undefined ? [...entries.values()] : [entryNamed(entries, name)];
    const counts: Record<string, Readonly<Record<string, number>>> = {};
    const readings: Reading[] = [];
    for (const entry of chosen) {
      const source = "stage" in entry ? await madeBy(plan, store, entry) : entry;
      if (source === undefined) {
        output.note(`${entry.name}: stage ${entry.name} has not made its pairs yet`);
        continue;
      }
      const dataset = await readDataset(source, undefined, { onProgress: (rows) => output.note(`reading ${entry.name}: ${rows} rows`) });
      Object.assign(counts, dataset.counts);
      for (const [stage, field, input] of readersOf(plan, entry.name)) {
        output.note(`measuring ${entry.name} for ${stage.name}`);
        readings.push({ entry: entry.name, stage: stage.name, field, ...await reading(plan, store, stage, input, dataset, options.samples ?? 1) });
      }
    }
    if (options.json) {
      output.json({ spec: plan.specPath, entries: chosen.map((entry) => ({ ...entry, ...(counts[entry.name] && { counts: counts[entry.name] }) })), readings });
      return 0;
    }
    output.data(table(["data", "format", "rows", "bad", "same prompt", "train", "held out"], chosen.map(({ name: entry, format, ...origin }) => {
      const { rows, bad, duplicates, train, heldOut } = counts[entry] ?? {};
      return [entry, "stage" in origin ? `${format}, of a stage` : format, ...[rows, bad, duplicates, train, heldOut].map((value) => value === undefined ? "" : String(value))];
    })));
    output.data(`\n${table(["stage", "reads", "in", "shortest", "median", "95 %", "longest", "used", "cut", "left out"], readings.map(rowOf))}`);
    for (const { entry, stage, samples } of readings) {
      for (const sample of samples) output.data(`\n${output.colors.bold(`${entry} for ${stage}`)}\n${sample}`);
    }
    return 0;
  },
});

/** What a stage has made in an earlier run; undefined where it has not, or where that is damaged. */
async function madeBy(plan: Plan, store: Store, entry: MadeEntry): Promise<DataSource | undefined> {
  const result = await store.results.find(stageNamed(plan, entry.stage).key);
  return result === undefined || await store.artifacts.fault(result.artifact) !== undefined ? undefined : madeSource(entry, store.artifacts.directory(result.artifact));
}

function rowOf({ stage, entry, unit, lengths, fitted }: Reading): string[] {
  const { min, median, p95, max } = lengths ?? {};
  return [stage, entry, unit, ...[min, median, p95, max, fitted?.used, fitted?.cut, fitted?.dropped].map((value) => (value === undefined ? "" : String(value)))];
}

/** The data entries that stages read, by name. */
function entriesOf({ stages }: Plan): Map<string, Entry> {
  return new Map(stages.flatMap(({ inputs }) => Object.values(inputs).flatMap((input) => (input.from === "data" ? input.entries.map((entry) => [entry.name, entry] as const) : []))));
}

function entryNamed(entries: ReadonlyMap<string, Entry>, name: string): Entry {
  const entry = entries.get(name);
  if (entry !== undefined) return entry;
  throw new TruelineError("TL_DATA_ENTRY_UNKNOWN", `No stage of the spec reads a data entry ${name}.`, { hint: suggestion(name, [...entries.keys()]) });
}

function readersOf({ stages }: Plan, entry: string): [PlannedStage, string, DataInput][] {
  return stages.flatMap((stage) => Object.entries(stage.inputs).flatMap(([field, input]): [PlannedStage, string, DataInput][] =>
    (input.from === "data" && input.entries.some(({ name }) => name === entry) ? [[stage, field, input]] : [])));
}

const limitsSchema = z.object({ ...rowLimits, maxNewTokens: z.number().default(0) });

/** Training rows, but of what measures the held-out ones. */
async function reading(plan: Plan, store: Store, stage: PlannedStage, { use }: DataInput, dataset: Dataset, samples: number): Promise<DataView> {
  const side = stage.kind === "evaluate" || stage.kind === "reward-accuracy" ? "heldOut" : "train";
  const { text, dialogues, pairs, prompts, questions } = combineDatasets([dataset]);
  const { tokenizer, context } = await modelOf(plan, store, stage);
  const limits = use === "text" || context === undefined ? undefined : { ...limitsSchema.parse(stage.parameters), context };
  return viewRows(use, { text: text[side], dialogues: dialogues[side], pairs: pairs[side], prompts: prompts[side], questions: questions[side] }, { tokenizer, limits, samples });
}

/** The tokenizer and the context of the model that a stage reads its data for, as far as they are there. */
async function modelOf(plan: Plan, store: Store, stage: PlannedStage): Promise<{ readonly tokenizer?: Tokenizer; readonly context?: number }> {
  const input = stage.inputs["model"] ?? stage.inputs["policy"] ?? stage.inputs["candidate"] ?? stage.inputs["reward"];
  switch (input?.from) {
    case "directory":
      return { tokenizer: await Tokenizer.load(await tokenizerDirectory(input.path, input.under ?? [])), context: (await describeModel((input.under?.[0] ?? input).path)).configuration.context };
    case "scratch": {
      const tokenizer = await tokenizerOf(plan, store, input.tokenizer);
      return { context: z.number().parse(input.configuration["context"]), ...(tokenizer && { tokenizer }) };
    }
    case "stage": {
      const upstream = await modelOf(plan, store, stageNamed(plan, input.stage));
      const tokenizer = upstream.tokenizer ?? await tokenizerOf(plan, store, input.stage);
      return { ...upstream, ...(tokenizer && { tokenizer }) };
    }
    case "data": case "file": case undefined:
      return {};
  }
}

/** The tokenizer that a stage has left in the store. */
async function tokenizerOf(plan: Plan, store: Store, stage: string): Promise<Tokenizer | undefined> {
  const result = await store.results.find(stageNamed(plan, stage).key);
  const directory = result && store.artifacts.directory(result.artifact);
  return directory === undefined || await readIfThere(join(directory, "tokenizer.json")) === undefined ? undefined : Tokenizer.load(directory);
}

function stageNamed({ stages }: Plan, name: string): PlannedStage {
  return stages.find((stage) => stage.name === name)!;
}
