import { mkdir, mkdtemp, readFile, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sha256 } from "../../foundation/canonical.js";
import { TruelineError } from "../../foundation/errors.js";
import { adaptableLayers, initialAdapter } from "../../models/adapter.js";
import { writeAdapter } from "../../models/adapter-files.js";
import { trainBytePairs, writeTokenizer } from "../../models/bpe.js";
import { writeConfiguration, type Head } from "../../models/configuration.js";
import { initializeModel } from "../../models/initialize.js";
import { SpecError } from "../../planner/fault.js";
import { createPlan } from "../../planner/plan.js";
import { readSpec } from "../../planner/read-spec.js";
import { hhRow, pipeline, stageOf, type Members } from "./pipeline.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "trueline-facts-"));
  await writeFile(join(folder, "hh.jsonl"), hhRow);
  await writeFile(join(folder, "book.txt"), "a book\n");
});
afterEach(() => rm(folder, { recursive: true }));

async function write(change: Parameters<typeof pipeline>[0] = () => undefined): Promise<string> {
  const path = join(folder, "spec.json");
  await writeFile(path, JSON.stringify(pipeline(change), undefined, 2));
  return path;
}

async function faultsOf(path: string, allowPaths: readonly string[] = []): Promise<readonly (readonly [string, string])[]> {
  const error: unknown = await createPlan(path, { allowPaths }).catch((caught: unknown) => caught);
  if (!(error instanceof SpecError)) throw error;
  return error.diagnostics.map(({ field, code }) => [field, code] as const);
}

const configuration = {
  family: "llama", vocabulary: 300, hidden: 8, layers: 1, heads: 2, keyValueHeads: 2, headSize: 4, intermediate: 16, context: 128, ropeTheta: 10000,
  normEpsilon: 1e-5, tiedEmbeddings: true, attentionBias: false, outputBias: false, mlpBias: false, endTokens: [1],
} as const;

async function writeModel(name: string, head: Head = "language"): Promise<string> {
  const directory = join(folder, name);
  await mkdir(directory);
  await initializeModel(directory, configuration, 1);
  await writeConfiguration(directory, configuration, head);
  await writeTokenizer(directory, await trainBytePairs(["some text"], { vocabulary: 270, isolateHan: true }));
  return directory;
}

const withModel = (entry: Members, field = "model", stage = "sft") => write(({ models, stages }) => {
  models["given"] = entry;
  stages[stage]![field] = "given";
});

describe("a plan made from files", () => {
  it("holds their real paths and digests, and reads them beside the spec", async () => {
    const plan = await createPlan(await write());
    expect(stageOf(plan, "base").inputs["data"]).toMatchObject({ entries: [{ name: "book", path: join(folder, "book.txt"), digest: sha256("a book\n") }] });
  });

  it("notices that a file changed between two plans of one process", async () => {
    const path = await write();
    const before = await createPlan(path);
    await writeFile(join(folder, "book.txt"), "a tome\n");
    await utimes(join(folder, "book.txt"), new Date(), new Date(Date.now() + 5000));
    const after = await createPlan(path);
    expect(stageOf(after, "base").key).not.toBe(stageOf(before, "base").key);
    expect(stageOf(after, "bpe").key).not.toBe(stageOf(before, "bpe").key);
  });

  it("lists missing files among the other faults, also of entries that have the wrong form", async () => {
    await rm(join(folder, "hh.jsonl"));
    const path = await write(({ data, stages }) => {
      data["hh"]!["formt"] = "x";
      data["book"]!["path"] = "nowhere.txt";
      stages["sft"]!["epochs"] = "2";
    });
    expect(await faultsOf(path)).toEqual([
      ["data.hh.path", "TL_DATA_MISSING"], ["data.hh.formt", "TL_SPEC_UNKNOWN_FIELD"], ["data.book.path", "TL_DATA_MISSING"], ["stages.sft.epochs", "TL_SPEC_WRONG_TYPE"],
    ]);
  });

  it("are looked into: an empty file and a file of another format are faults of the spec", async () => {
    const path = await write();
    await writeFile(join(folder, "hh.jsonl"), "");
    expect(await faultsOf(path)).toEqual([["data.hh.path", "TL_DATA_EMPTY"]]);
    await writeFile(join(folder, "hh.jsonl"), "{\"prompt\":\"a\",\"response\":\"b\"}\n");
    expect(await faultsOf(path)).toEqual([["data.hh.path", "TL_DATA_BAD_ROWS"]]);
  });

  it("leaves its folder neither by `..`, nor by links, nor by absolute paths that are not allowed", async () => {
    const outside = await mkdtemp(join(tmpdir(), "trueline-outside-"));
    try {
      await writeFile(join(outside, "book.txt"), "outside\n");
      await symlink(join(outside, "book.txt"), join(folder, "link.txt"));
      const named = (path: string) => write(({ data }) => { data["book"]!["path"] = path; });
      for (const path of ["../x.txt", "link.txt", join(outside, "book.txt")]) expect(await faultsOf(await named(path)), path).toEqual([["data.book.path", "TL_DATA_OUTSIDE"]]);
      const plan = await createPlan(await named(join(outside, "book.txt")), { allowPaths: [outside] });
      expect(stageOf(plan, "base").inputs["data"]).toMatchObject({ entries: [{ digest: sha256("outside\n") }] });
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  it("takes a file of answers as a baseline, by content", async () => {
    await writeFile(join(folder, "answers.jsonl"), "{\"prompt\":\"a\",\"response\":\"b\"}\n");
    const path = await write(({ stages }) => { stages["eval"]!["baseline"] = { answers: "answers.jsonl" }; });
    const plan = await createPlan(path);
    expect(stageOf(plan, "eval").parameters["baseline"]).toEqual({ answers: join(folder, "answers.jsonl") });
    expect(stageOf(plan, "eval").inputs["baseline"]).toMatchObject({ from: "data", use: "dialogues" });
    await writeFile(join(folder, "answers.jsonl"), "{\"prompt\":\"a\",\"response\":\"bb\"}\n");
    expect(stageOf(await createPlan(path), "eval").key).not.toBe(stageOf(plan, "eval").key);
    await rm(join(folder, "answers.jsonl"));
    expect(await faultsOf(path)).toEqual([["stages.eval.baseline.answers", "TL_DATA_MISSING"]]);
  });
});

describe("a model from files", () => {
  it("is an input by its content, to which a README does not belong", async () => {
    const directory = await writeModel("model");
    const path = await withModel({ path: "model" });
    const before = await createPlan(path);
    expect(stageOf(before, "sft").inputs["model"]).toMatchObject({ from: "directory", path: directory, type: "language-model" });
    await writeFile(join(directory, "README.md"), "words");
    expect(stageOf(await createPlan(path), "sft").key).toBe(stageOf(before, "sft").key);
    await writeFile(join(directory, "generation_config.json"), "{\"eos_token_id\": 2}");
    expect(stageOf(await createPlan(path), "sft").key).not.toBe(stageOf(before, "sft").key);
  });

  it("that the embedded backend does not compute is one for stages on the torch backend", async () => {
    const directory = await writeModel("model");
    await writeFile(join(directory, "config.json"), JSON.stringify({ architectures: ["Gemma2ForCausalLM"], vocab_size: 300, max_position_embeddings: 64, eos_token_id: 1 }));
    const on = (backend: string) => write((spec) => {
      spec.models = { given: { path: "model" } };
      spec.stages = { sft: { ...spec.stages["sft"]!, model: "given", resources: { backend } } };
    });
    expect(stageOf(await createPlan(await on("torch")), "sft").inputs["model"]).toMatchObject({ from: "directory", type: "language-model" });
    expect(await faultsOf(await on("onnx"))).toEqual([["stages.sft.model", "TL_MODEL_UNSUPPORTED"]]);
    await writeFile(join(directory, "config.json"), JSON.stringify({ architectures: ["Gemma2ForCausalLM"], vocab_size: 300 }));
    expect(await faultsOf(await on("torch"))).toEqual([["models.given.path", "TL_MODEL_UNSUPPORTED"]]);
  });

  it("that pads with its end token, or with none, gets a warning where a reward model starts from it", async () => {
    const directory = await writeModel("model");
    const path = await write((spec) => {
      spec.models = { given: { path: "model" } };
      spec.stages = { rm: { ...spec.stages["rm"]!, model: "given" } };
    });
    const warned = async (tokens: object): Promise<string> => {
      await writeFile(join(directory, "generation_config.json"), JSON.stringify({ eos_token_id: [1, 3], ...tokens }));
      return (await createPlan(path)).warnings.filter((text) => text.startsWith("rm: `given`")).join();
    };
    expect(await warned({ pad_token_id: 0 })).toBe("");
    expect(await warned({ pad_token_id: 3 })).toContain("pads with its end token");
    expect(await warned({})).toContain("has no padding token");
  });

  it("is read by no link that leads out, be it the directory or a file in it; links inside are followed", async () => {
    const outside = await mkdtemp(join(tmpdir(), "trueline-outside-"));
    try {
      const directory = await writeModel("model");
      const path = await withModel({ path: "model" });
      await createPlan(path);
      await rename(join(directory, "tokenizer.json"), join(directory, "blob"));
      await symlink("blob", join(directory, "tokenizer.json"));
      await createPlan(path);
      await rename(join(directory, "blob"), join(outside, "blob"));
      await rm(join(directory, "tokenizer.json"));
      await symlink(join(outside, "blob"), join(directory, "tokenizer.json"));
      expect(await faultsOf(path)).toEqual([["models.given.path", "TL_DATA_OUTSIDE"]]);
      await rename(directory, join(outside, "model"));
      await symlink(join(outside, "model"), directory);
      expect(await faultsOf(path)).toEqual([["models.given.path", "TL_DATA_OUTSIDE"]]);
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  it.each([["score", "a reward model"], ["value", "a value model"]] as const)("with a %s head is %s", async (head, words) => {
    await writeModel("model", head);
    const error = await createPlan(await withModel({ path: "model" })).catch((caught: unknown) => caught);
    expect((error as SpecError).diagnostics[0]).toMatchObject({ code: "TL_SPEC_WRONG_REFERENCE", field: "stages.sft.model" });
    expect((error as SpecError).diagnostics[0]!.message).toContain(words);
  });

  it("serves as a reward model where it is one, if its tokenizer is the policy's", async () => {
    await writeModel("model", "score");
    expect(await faultsOf(await withModel({ path: "model" }, "reward", "ppo"))).toEqual([["stages.ppo.reward", "TL_SPEC_TOKENIZERS"]]);
    await createPlan(await withModel({ path: "model" }, "reward", "eval"));
  });

  it("bounds lengths by its context", async () => {
    await writeModel("model");
    const path = await write(({ models, stages }) => { models["given"] = { path: "model" }; Object.assign(stages["sft"]!, { model: "given", maxTokens: 129 }); });
    expect(await faultsOf(path)).toContainEqual(["stages.sft.maxTokens", "TL_SPEC_WRONG_VALUE"]);
  });

  it("is refused where it is missing, has no weights, is unsupported or is a file", async () => {
    const path = await withModel({ path: "model" });
    const field = "models.given.path";
    expect(await faultsOf(path)).toEqual([[field, "TL_DATA_MISSING"]]);
    const directory = await writeModel("model");
    await createPlan(path);
    await rm(join(directory, "model.safetensors"));
    expect(await faultsOf(path)).toEqual([[field, "TL_MODEL_MISSING"]]);
    await writeFile(join(directory, "config.json"), JSON.stringify({ model_type: "gpt2", architectures: ["GPT2LMHeadModel"] }));
    expect((await faultsOf(path))[0]![0]).toBe(field);
    await rm(directory, { recursive: true });
    await writeFile(directory, "");
    expect(await faultsOf(path)).toEqual([[field, "TL_DATA_UNREADABLE"]]);
  });
});

describe("a spec's file", () => {
  it("that is missing, a directory or not UTF-8 is refused by name", async () => {
    const codeOf = async (path: string): Promise<string | undefined> => {
      const error: unknown = await readSpec(path).catch((caught: unknown) => caught);
      return error instanceof TruelineError ? error.code : undefined;
    };
    await writeFile(join(folder, "latin.json"), Buffer.from([0x7b, 0xff, 0x7d]));
    expect(await codeOf(join(folder, "none.json"))).toBe("TL_SPEC_MISSING");
    expect(await codeOf(folder)).toBe("TL_SPEC_UNREADABLE");
    expect(await codeOf(join(folder, "latin.json"))).toBe("TL_SPEC_UNREADABLE");
  });
});

describe("an adapter from PEFT's files", () => {
  const layers = adaptableLayers(configuration);

  async function writePeft(name: string, { head = "language" as Head, base = "org/model", ofLayers = layers } = {}): Promise<string> {
    const directory = join(folder, name);
    await mkdir(directory);
    const matrices = initialAdapter(ofLayers, 2, 1);
    const heads = head === "language" ? [] : [["score.weight", { shape: [1, configuration.hidden], data: new Float32Array(configuration.hidden) }]] as const;
    await writeAdapter(directory, { rank: 2, alpha: 4, scale: 2, targets: ["q_proj"], head, base, inputFirst: false }, new Map([...matrices, ...heads]));
    return directory;
  }
  const given = (base: string | undefined, more: Members = {}) => write(({ models, stages }) => {
    Object.assign(models, { given: { path: "adapter", ...(base !== undefined && { base }) }, whole: { path: "model" }, ...more });
    stages["sft"]!["model"] = "given";
  });
  const inputOf = async (path: string) => stageOf(await createPlan(path), "sft").inputs["model"];
  const keyOf = async (path: string) => stageOf(await createPlan(path), "sft").key;

  it("is an input by its content and by that of the model under it", async () => {
    const [model, adapter] = [await writeModel("model"), await writePeft("adapter")];
    const path = await given("whole");
    expect(await inputOf(path)).toMatchObject({ from: "directory", path: adapter, type: "language-model", under: [{ path: model }] });
    const before = await keyOf(path);
    await writeFile(join(adapter, "README.md"), "words");
    expect(await keyOf(path)).toBe(before);
    await writeFile(join(model, "generation_config.json"), "{\"eos_token_id\": 2}");
    const onAnother = await keyOf(path);
    expect(onAnother).not.toBe(before);
    const file = join(adapter, "adapter_config.json");
    await writeFile(file, (await readFile(file, "utf8")).replace("\"lora_alpha\": 4", "\"lora_alpha\": 8"));
    expect(await keyOf(path)).not.toBe(onAnother);
    expect((await createPlan(path)).warnings, "the base is used").not.toContain("model whole: no stage uses it");
  });

  it("may stand on an adapter", async () => {
    const [model, lower] = [await writeModel("model"), await writePeft("lower")];
    await writePeft("adapter");
    expect(await inputOf(await given("middle", { middle: { path: "lower", base: "whole" } }))).toMatchObject({ under: [{ path: model }, { path: lower }] });
  });

  it("is a reward model where it brings that head, whatever lies under it", async () => {
    await writeModel("model");
    await writePeft("adapter", { head: "score" });
    expect(await faultsOf(await given("whole"))).toEqual([["stages.sft.model", "TL_SPEC_WRONG_REFERENCE"]]);
  });

  it("is warned of where it calls its base otherwise", async () => {
    await writeModel("model");
    const adapter = await writePeft("adapter");
    const path = await given("whole");
    expect((await createPlan(path)).warnings.join()).not.toContain("calls the model under it");
    await rm(adapter, { recursive: true });
    await writePeft("adapter", { base: "Qwen/Qwen2-0.5B" });
    expect((await createPlan(path)).warnings).toContain("model given: its adapter_config.json calls the model under it \"Qwen/Qwen2-0.5B\", and `base` is whole");
  });

  it("is refused without its base, on a stage, on a model from scratch, on itself, and for another model", async () => {
    await writeModel("model");
    const adapter = await writePeft("adapter");
    const missing: unknown = await createPlan(await given(undefined)).catch((caught: unknown) => caught);
    expect((missing as SpecError).diagnostics[0]).toMatchObject({ field: "models.given.path", code: "TL_MODEL_MISSING", hint: expect.stringContaining("in `base`; adapter_config.json calls it \"org/model\"") as string });
    for (const [base, code] of [["hole", "TL_SPEC_UNKNOWN_REFERENCE"], ["rm", "TL_SPEC_WRONG_REFERENCE"], ["tiny", "TL_SPEC_WRONG_REFERENCE"], ["given", "TL_SPEC_CYCLE"]] as const) {
      expect(await faultsOf(await given(base)), base).toEqual([["models.given.base", code]]);
    }
    expect(await faultsOf(await given("other", { other: { path: "adapter", base: "given" } }))).toEqual([["models.given.base", "TL_SPEC_CYCLE"], ["models.other.base", "TL_SPEC_CYCLE"]]);
    expect(await faultsOf(await given("whole", { given: { path: "model", base: "whole" } }))).toEqual([["models.given.path", "TL_MODEL_UNSUPPORTED"]]);
    await rm(adapter, { recursive: true });
    await writePeft("adapter", { ofLayers: layers.map((layer) => ({ ...layer, input: layer.input + 1 })) });
    expect(await faultsOf(await given("whole"))).toEqual([["models.given.path", "TL_MODEL_TENSORS"]]);
    await rm(join(adapter, "adapter_model.safetensors"));
    expect(await faultsOf(await given("whole"))).toEqual([["models.given.path", "TL_MODEL_MISSING"]]);
  });
});
