import { mkdir, mkdtemp, readFile, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { constant, logProbabilities, multiply } from "../../backends/expressions.js";
import { startOnnxBackend } from "../../backends/onnx/index.js";
import { trainBytePairs, writeTokenizer } from "../../models/bpe.js";
import { initializeModel } from "../../models/initialize.js";
import { Tokenizer } from "../../models/tokenizer.js";
import { createPlan } from "../../planner/plan.js";
import type { Plan } from "../../schemas/plan.js";
import { Store } from "../../store/store.js";
import { hhRow, pipeline } from "../planner/pipeline.js";
import { trueline } from "./trueline.js";

/** A store with one run, whose pretrain stage has left a model and whose evaluation a report. */
let folder: string;
let model: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "trueline-cli-models-"));
  process.env["TRUELINE_HOME"] = join(folder, "home");
  const store = new Store(join(folder, "home"));
  await writeFile(join(folder, "hh.jsonl"), hhRow);
  await writeFile(join(folder, "book.txt"), "a book\n");
  await writeFile(join(folder, "spec.json"), JSON.stringify(pipeline()));
  const plan = await createPlan(join(folder, "spec.json"));
  await store.runs.create("first", plan, "someone");
  model = join(folder, "model");
  await mkdir(model);
  await writeTokenizer(model, await trainBytePairs(["the lamp is in the hall"], { vocabulary: 270, isolateHan: true }));
  const tokenizer = await Tokenizer.load(model);
  await initializeModel(model, {
    family: "llama", vocabulary: tokenizer.vocabulary, hidden: 16, layers: 1, heads: 2, keyValueHeads: 2, headSize: 8, intermediate: 32, context: 48, ropeTheta: 10000,
    normEpsilon: 1e-5, tiedEmbeddings: true, attentionBias: false, outputBias: false, mlpBias: false, endTokens: tokenizer.endTokens, padToken: tokenizer.padToken,
  }, 3);
  await finish(store, plan, "base", "language-model", async (directory) => {
    for (const name of await readdir(model)) await writeFile(join(directory, name), await readFile(join(model, name)));
  });
  await finish(store, plan, "eval", "report", (directory) => writeFile(join(directory, "report.json"), "{}"));
});
afterAll(async () => {
  delete process.env["TRUELINE_HOME"];
  await rm(folder, { recursive: true });
});

async function finish(store: Store, plan: Plan, name: string, type: "language-model" | "report", fill: (directory: string) => Promise<void>): Promise<void> {
  const { key, kind } = plan.stages.find((stage) => stage.name === name)!;
  await store.withScratch(async (directory) => {
    await fill(directory);
    const artifact = await store.artifacts.publish(directory, type, { figures: {} });
    const { claim } = await store.claims.take(key, { run: "first", stage: name, attempt: 1 });
    await store.results.publish(claim, { version: 1, key, artifact, type, kind, stage: name, run: "first", finishedAt: new Date().toISOString(), seconds: 1, figures: {} });
  });
}

describe("generate", () => {
  it("prints the greedy continuation alone, the same from a directory and from RUN/STAGE", async () => {
    const words = ["the lamp", "--raw", "--temperature", "0", "--max-tokens", "6", "--threads", "1"];
    const fromDirectory = await trueline(["generate", model, ...words]);
    expect(fromDirectory).toMatchObject({ code: 0, stderr: "" });
    expect(await trueline(["generate", "first/base", ...words])).toEqual(fromDirectory);
    const tokenizer = await Tokenizer.load(model);
    const backend = await startOnnxBackend({ threads: 1 });
    try {
      await backend.load({ model: "m", directory: model, head: "language", trainable: false });
      // Greedy by hand: one forward pass a token over every candidate.
      let sequence = [...tokenizer.encode("the lamp")];
      const prompt = tokenizer.decode(sequence);
      for (let step = 0; step < 6; step++) {
        const candidates = Array.from({ length: tokenizer.vocabulary }, (_, token) => Int32Array.from([...sequence, token]));
        const { logProbabilities } = await backend.forward("m", {
          batch: { sequences: candidates, targets: candidates.map(({ length }) => Int32Array.of(length - 1)) }, quantities: ["logProbabilities"],
        });
        const best = logProbabilities!.indexOf(Math.max(...logProbabilities!));
        if (tokenizer.endTokens.includes(best)) break;
        sequence = [...sequence, best];
      }
      expect(fromDirectory.stdout).toBe(`${tokenizer.decode(sequence).slice(prompt.length)}\n`);
    } finally {
      await backend.close();
    }
  });

  it("answers a chat message by default, repeatably by seed, as JSON with tokens and log-probabilities", async () => {
    const run = async (seed: number) => JSON.parse((await trueline(["generate", model, "where?", "--seed", String(seed), "--max-tokens", "8", "--threads", "1", "--json"])).stdout) as { tokens: number[]; logProbabilities: number[] };
    const first = await run(1);
    expect(await run(1)).toEqual(first);
    expect(first.logProbabilities).toHaveLength(first.tokens.length);
    expect((await run(2)).tokens).not.toEqual(first.tokens);
  });

  it("suggests stages that leave a language model alone", async () => {
    expect((await trueline(["generate", "first/bp", "x"])).stderr).not.toContain("`bpe`");
    expect(await trueline(["generate", "first", "x"])).toMatchObject({ code: 3, stderr: expect.stringMatching(/hint: Name a stage of the run: first\/base/) as string });
  });

  it("says of a directory that it holds no model, rather than look for a run", async () => {
    await mkdir(join(folder, "empty"), { recursive: true });
    const { code, stderr } = await trueline(["generate", relative(process.cwd(), join(folder, "empty")), "x"]);
    expect(code).toBe(3);
    expect(stderr).toContain("is a directory and holds no model: there is no config.json in it");
  });

  it("begins a text from nothing with --raw alone; an empty message is a usage error", async () => {
    expect(await trueline(["generate", model, " "])).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("TL_GENERATE_PROMPT The prompt is empty.") });
    expect(await trueline(["generate", model, "", "--raw", "--max-tokens", "2", "--threads", "1"])).toMatchObject({ code: 0 });
  });

  it("stops at the context's end and says so; a prompt beyond it is refused, exit 2", async () => {
    const cut = await trueline(["generate", model, "the lamp", "--raw", "--max-tokens", "500", "--threads", "1"]);
    expect(cut).toMatchObject({ code: 0, stderr: expect.stringContaining("leaves room for") });
    expect(await trueline(["generate", model, "the lamp is in the hall ".repeat(40), "--raw"])).toMatchObject({ code: 2, stderr: expect.stringContaining("TL_GENERATE_PROMPT") });
  });

  it.each([
    ["no-such-model", "TL_GENERATE_MODEL"], ["first/eval", "TL_GENERATE_MODEL"], ["none/base", "TL_STORE_MISSING There is no directory none/base, and no run \"none\""], ["first/bse", "TL_RUN_STAGE_UNKNOWN"], ["first/sft", "TL_RUN_STAGE_UNFINISHED"],
    ["a/b/c", "TL_GENERATE_MODEL"],
    ["first/bpe", "TL_GENERATE_MODEL"], ["first/rm", "Stages that do: base, sft, ppo."], ["firts/base", "Did you mean first?"],
  ])("does not know %s: exit 3", async (name, code) => {
    expect(await trueline(["generate", name, "x"])).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining(code) });
  });
});

describe("generate with an adapter's directory", () => {
  const words = ["the lamp", "--raw", "--temperature", "0", "--max-tokens", "6", "--threads", "1"];
  let adapter: string;
  beforeAll(async () => {
    adapter = join(folder, "adapter");
    await mkdir(adapter);
    const backend = await startOnnxBackend({ threads: 1 });
    await backend.load({ model: "m", directory: model, head: "language", trainable: true, adapter: { rank: 2, alpha: 4, targets: "all-linear", seed: 1, base: "./qwen" } });
    const batch = { sequences: [Int32Array.of(5, 6, 7, 8)], targets: [Int32Array.of(1, 2, 3)] };
    const optimizer = { learningRate: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0 };
    for (let step = 0; step < 3; step++) await backend.step("m", { parts: [{ batch, arrays: {}, statistics: {}, loss: [multiply(constant(-1), logProbabilities)] }], optimizer });
    await backend.save("m", adapter, { optimizer: false });
    await backend.close();
  });

  it("puts it on the model that --base names, whose tokenizer it takes where it has none", async () => {
    const found = await trueline(["generate", adapter, ...words, "--base", model]);
    expect(found).toMatchObject({ code: 0, stderr: "" });
    expect(found.stdout).not.toBe((await trueline(["generate", model, ...words])).stdout);
  });

  it("asks for the base, and says what the adapter calls it: exit 3", async () => {
    for (const base of [[], ["--base", join(folder, "home")], ["--base", adapter]]) {
      expect(await trueline(["generate", adapter, "x", ...base])).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining("--base; its adapter_config.json calls that \"./qwen\"") });
    }
    expect(await trueline(["generate", model, "x", "--base", model])).toMatchObject({ code: 2, stderr: expect.stringContaining("Leave --base out.") });
  });
});

it("generate says of a family that the embedded backend does not compute which backend does", async () => {
  const gemma = join(folder, "gemma");
  await mkdir(gemma);
  for (const name of await readdir(model)) await writeFile(join(gemma, name), await readFile(join(model, name)));
  await writeFile(join(gemma, "config.json"), JSON.stringify({ architectures: ["Gemma2ForCausalLM"], model_type: "gemma2", vocab_size: 270, max_position_embeddings: 48 }));
  expect(await trueline(["generate", gemma, "x"])).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("Add --backend torch") });
});

describe("export", () => {
  it("copies an artifact, byte for byte, into folders that it makes", async () => {
    const target = join(folder, "out", "deep", "model");
    expect(await trueline(["export", "first", "base", target])).toEqual({ code: 0, stdout: `${target}\n`, stderr: "" });
    for (const name of await readdir(model)) expect(await readFile(join(target, name)), name).toEqual(await readFile(join(model, name)));
    expect(await readdir(join(folder, "out", "deep"))).toEqual(["model"]);
    await Tokenizer.load(target);
  });

  it("adds a card that says what the model came from, unless the plain artifact is asked for", async () => {
    const [target, plain] = [join(folder, "with"), join(folder, "plain")];
    await trueline(["export", "first", "base", target]);
    const card = await readFile(join(target, "README.md"), "utf8");
    expect(card).toMatch(/^---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- trueline\n/);
    for (const part of ["# first/base", "AutoModelForCausalLM", "## Origin"]) expect(card).toContain(part);
    expect(card).not.toContain(folder);
    expect(await trueline(["export", "first", "base", plain, "--plain"])).toMatchObject({ code: 0 });
    expect((await readdir(plain)).filter((name) => name !== "artifact.json")).toEqual(await readdir(model));
    expect(await trueline(["export", "first", "base", join(folder, "x"), "--plain", "--onnx"])).toMatchObject({ code: 2 });
  });

  it("narrows the weights to bfloat16 where that is asked for", async () => {
    const target = join(folder, "narrow");
    expect(await trueline(["export", "first", "base", target, "--dtype", "bfloat16"])).toMatchObject({ code: 0 });
    expect(JSON.parse(await readFile(join(target, "config.json"), "utf8"))).toMatchObject({ torch_dtype: "bfloat16" });
    expect(await readFile(join(target, "README.md"), "utf8")).toContain("Weights are bfloat16.");
    expect(await trueline(["generate", target, "x", "--raw", "--max-tokens", "2"])).toMatchObject({ code: 0 });
    expect(await trueline(["export", "first", "base", join(folder, "x"), "--plain", "--dtype", "bfloat16"])).toMatchObject({ code: 2 });
  });

  it("adds an ONNX file for others to generate with, of language models alone", async () => {
    const target = join(folder, "onnx");
    expect(await trueline(["export", "first", "base", target, "--onnx"])).toMatchObject({ code: 0, stderr: "" });
    expect(await readdir(join(target, "onnx"))).toEqual(["model.onnx"]);
    expect(await readdir(target)).toEqual(expect.arrayContaining(["README.md", "genai_config.json", "model.safetensors"]));
    expect(await trueline(["export", "first", "eval", join(folder, "y"), "--onnx"])).toMatchObject({ code: 2, stderr: expect.stringContaining("TL_EXPORT_HEAD") });
    expect(await readdir(folder)).not.toContain("y");
  });

  it("overwrites nothing: exit 4", async () => {
    const target = join(folder, "taken");
    await mkdir(target);
    expect(await trueline(["export", "first", "base", target])).toMatchObject({ code: 4, stderr: expect.stringContaining("TL_EXPORT_EXISTS") });
    expect(await readdir(target)).toEqual([]);
    const link = join(folder, "link");
    await symlink(join(folder, "nowhere"), link);
    expect(await trueline(["export", "first", "base", link])).toMatchObject({ code: 4, stderr: expect.stringContaining("TL_EXPORT_EXISTS") });
    expect(await readlink(link), "a link to nothing is something").toBe(join(folder, "nowhere"));
  });

  it("says what is in the way of its place: exit 1, and nothing is left there", async () => {
    await writeFile(join(folder, "file"), "");
    for (const [place, obstacle] of [[join(folder, "file", "model"), `a part of ${join(folder, "file")} is no folder`], ["/proc/none/model", "/proc/none is not there and can't be made"], ["/proc/model", "/proc takes no such file"]] as const) {
      expect(await trueline(["export", "first", "base", place])).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining(`TL_OUTPUT_PLACE ${place} can't be written: ${obstacle}`) });
    }
  });

  it("does not know other runs and stages: exit 3", async () => {
    expect(await trueline(["export", "other", "base", join(folder, "x")])).toMatchObject({ code: 3 });
    expect(await trueline(["export", "first", "bas", join(folder, "x")])).toMatchObject({ code: 3, stderr: expect.stringContaining("did you mean `base`?") });
  });

  it("gives out, and generates with, no artifact whose bytes have changed", async () => {
    const store = new Store(join(folder, "home"));
    const plan = await store.runs.plan("first");
    const { artifact } = (await store.results.find(plan.stages.at(-1)!.key))!;
    const base = (await store.results.find(plan.stages.find(({ name }) => name === "base")!.key))!.artifact;
    const path = join(store.artifacts.directory(base), "generation_config.json");
    await writeFile(path, (await readFile(path, "utf8")).replace("{", " ").replace(" ", "{").replaceAll("\n", " "));
    expect(await trueline(["generate", "first/base", "x", "--raw"])).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("TL_STORE_CORRUPT") });
    await writeFile(join(store.artifacts.directory(artifact), "report.json"), "[]");
    expect(await trueline(["export", "first", "eval", join(folder, "report")])).toMatchObject({ code: 1, stderr: expect.stringContaining("TL_STORE_CORRUPT") });
  });
});
