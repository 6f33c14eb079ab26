import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { readDataset } from "../../data/dataset.js";
import { TruelineError } from "../../foundation/errors.js";
import { randomAt } from "../../foundation/random.js";
import { trainBytePairs, writeTokenizer } from "../../models/bpe.js";
import { describeModel, writeConfiguration } from "../../models/configuration.js";
import { readModelTensors, readSafetensors, writeSafetensors } from "../../models/safetensors.js";
import { Tokenizer } from "../../models/tokenizer.js";
import { parseMetrics } from "../../schemas/report.js";
import { dataFormats } from "../../schemas/spec.js";
import { Store } from "../../store/store.js";
import { runningServer } from "../../temporal/embedded.js";
import { planOf, plannedStage } from "../store/home.js";
import { jsonOf, mutateBytes, mutateText, mutateValue } from "./mutate.js";

const fixtures = fileURLToPath(new URL("../models/fixtures/", import.meta.url));

/** A file of a folder, and what reads it. */
interface Reader {
  readonly name: string;
  readonly file: string;
  readonly read: (folder: string) => Promise<unknown>;
}

const run = "fuzz-20260101-abcdef";
const stage = plannedStage("base");

/** Everything that Trueline reads and did not write a moment ago, each beside a sound original in `folder`. */
export async function prepareReaders(folder: string): Promise<Reader[]> {
  const data: Readonly<Record<string, string>> = {
    "hh.jsonl": `${JSON.stringify({ chosen: "\n\nHuman: hi\n\nAssistant: hello", rejected: "\n\nHuman: hi\n\nAssistant: no" })}\n`.repeat(3),
    "pairs.jsonl": `${JSON.stringify({ prompt: [{ role: "user", content: "a" }], chosen: "b", rejected: "c", tags: { language: "en" }, group: "g" })}\n`.repeat(3),
    "dialogues.jsonl": `${JSON.stringify({ messages: [{ role: "user", content: "a" }, { role: "assistant", content: "灯" }] })}\n`.repeat(3),
    "prompts.jsonl": `${JSON.stringify({ prompt: "a", tags: { constructor: "x" } })}\n`.repeat(3),
    "book.txt": "One line.\n\nAnother line.\n".repeat(20),
  };
  for (const [name, text] of Object.entries(data)) await writeFile(join(folder, name), text);
  await writeFile(join(folder, "dialogues.jsonl.gz"), gzipSync(data["dialogues.jsonl"]!));
  const model = join(folder, "model");
  await mkdir(model);
  await writeConfiguration(model, {
    family: "llama", vocabulary: 300, hidden: 12, layers: 2, heads: 3, keyValueHeads: 1, headSize: 4, intermediate: 20, context: 64,
    ropeTheta: 1e4, normEpsilon: 1e-5, tiedEmbeddings: false, attentionBias: false, outputBias: false, mlpBias: false, endTokens: [1], padToken: 0,
  }, "language");
  await writeTokenizer(model, await trainBytePairs(["some text text of some"], { vocabulary: 266, isolateHan: true }));
  await writeFile(join(model, "chat_template.jinja"), "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + eos_token }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}");
  await writeSafetensors(join(model, "w.safetensors"), [["a", { shape: [2, 3], data: new Float32Array(6) }], ["b", { shape: [], data: new Float32Array(1) }]]);
  await cp(join(fixtures, "models", "llama-sharded"), join(folder, "sharded"), { recursive: true });
  await cp(join(fixtures, "tokenizers", "unigram"), join(folder, "unigram"), { recursive: true });
  const home = join(folder, "home");
  await fillHome(new Store(home));
  const store = () => new Store(home);
  const plan = (await store().runs.read(run)).planDigest;

  const dialogue = [{ role: "user", content: "some text" }, { role: "assistant", content: "<|end|> aaaa" }];
  const tokenize = (directory: string) => async (where: string) => {
    const tokenizer = await Tokenizer.load(join(where, directory));
    const { tokens } = tokenizer.encodeDialogue(dialogue);
    tokenizer.decode([...tokens, ...tokenizer.encode("some text 灯"), ...tokenizer.encodePrompt(dialogue.slice(0, 1))]);
  };
  const rows = (file: string, format: string): Reader => ({
    name: file, file, read: (where) => readDataset({ name: "rows", format: dataFormats.parse(format), path: join(where, file), holdout: 0.2, maxBadShare: 0.4 }),
  });
  const inHome = (name: string, file: string, read: (store: Store) => Promise<unknown>): Reader => ({ name, file: join("home", file), read: () => read(store()) });
  return [
    rows("hh.jsonl", "hh-rlhf"), rows("pairs.jsonl", "preference"), rows("dialogues.jsonl", "dialogue"), rows("dialogues.jsonl.gz", "dialogue"),
    rows("prompts.jsonl", "prompt"), rows("book.txt", "text"),
    { name: "config.json", file: "model/config.json", read: (where) => describeModel(join(where, "model")) },
    ...["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"].map((file) => ({ name: file, file: `model/${file}`, read: tokenize("model") })),
    { name: "tokenizer.json (Unigram)", file: "unigram/tokenizer.json", read: tokenize("unigram") },
    { name: "model.safetensors", file: "model/w.safetensors", read: (where) => readSafetensors(join(where, "model/w.safetensors")) },
    { name: "model.safetensors.index.json", file: "sharded/model.safetensors.index.json", read: (where) => readModelTensors(join(where, "sharded")) },
    { name: "metrics.jsonl", file: "metrics.jsonl", read: async (where) => parseMetrics(await readFile(join(where, "metrics.jsonl"), "utf8"), "metrics.jsonl") },
    inHome("ledger", `ledger/${run}.jsonl`, async ({ ledger }) => [await ledger.verify(run), await ledger.read(run)]),
    inHome("run.json", `runs/${run}/run.json`, async ({ runs }) => [await runs.list(), await runs.read(run), await runs.plan(run)]),
    inHome("plan", `runs/${run}/plans/${plan}.json`, ({ runs }) => runs.plan(run)),
    inHome("result", `results/${stage.key}.json`, ({ results }) => results.find(stage.key)),
    inHome("claim", `claims/${stage.key}.json`, ({ claims }) => claims.holder(stage.key)),
    inHome("checkpoint.json", `checkpoints/${stage.key}/5/checkpoint.json`, ({ checkpoints }) => checkpoints.newest(stage.key, { deep: true })),
    { name: "server.json", file: "home/server.json", read: (where) => runningServer(join(where, "home")) },
  ];
}

async function fillHome(store: Store): Promise<void> {
  await store.runs.create(run, planOf(stage), "someone");
  await store.ledger.append(run, { type: "run-cancelled" }, { type: "run-finished" });
  const { claim } = await store.claims.take(stage.key, { run, stage: "base", attempt: 1 });
  const filled = async (files: Readonly<Record<string, string>>): Promise<string> => {
    await mkdir(join(store.home, "scratch"), { recursive: true });
    const directory = await mkdtemp(join(store.home, "scratch", "f-"));
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    return directory;
  };
  await store.checkpoints.publish(claim, 5, await filled({ state: "5" }));
  const artifact = await store.artifacts.publish(await filled({ model: "m" }), "language-model", { figures: {} });
  await store.results.publish(claim, {
    version: 1, key: stage.key, artifact, type: "language-model", kind: "pretrain", stage: "base", run, finishedAt: new Date(0).toISOString(), seconds: 1, figures: {},
  });
  await writeFile(join(store.home, "server.json"), JSON.stringify({ keeper: { pid: 2 ** 22, host: "elsewhere", started: "" }, port: 1, startedAt: "" }));
  await writeFile(join(dirname(store.home), "metrics.jsonl"), `${JSON.stringify({ step: 1, "loss/lm": 2.5 })}\n${JSON.stringify({ step: 2, "loss/lm": 2 })}\n`);
}

/** What came of a mutated file: read all the same, a coded error, or in words what no file may bring about. */
export type Reading = "read" | "refused" | { readonly wrong: string };

/** Mutates a reader's file by a seed and a number, has it read, and puts the original back. */
export async function readMutated({ file, read }: Reader, folder: string, seed: number, number: number): Promise<Reading> {
  const path = join(folder, file);
  const original = await readFile(path);
  const random = randomAt(seed, file, number);
  const value = parsed(original.toString());
  const mutated = [
    () => mutateBytes(random, original), () => mutateText(random, original.toString()),
    () => (value === undefined ? mutateBytes(random, original) : jsonOf(mutateValue(random, value))),
  ][random.integer(3)]!();
  await writeFile(path, mutated);
  try {
    await read(folder);
    return "read";
  } catch (error) {
    if (error instanceof TruelineError && error.code !== "TL_INTERNAL") return "refused";
    return { wrong: error instanceof Error ? error.stack ?? error.message : String(error) };
  } finally {
    await writeFile(path, original);
    await rm(join(folder, "home", "scratch"), { recursive: true, force: true });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
