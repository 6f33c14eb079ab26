import { describe, expect, it } from "vitest";
import { sha256 } from "../../foundation/canonical.js";
import { randomAt } from "../../foundation/random.js";
import type { Facts } from "../../planner/facts.js";
import { stageKinds } from "../../schemas/stages/table.js";
import { factsFor, faultsOf, pipeline, planOf, stageOf } from "./pipeline.js";

type Spec = ReturnType<typeof pipeline>;
const keysOf = (spec: Spec, facts?: Facts): Record<string, string> => Object.fromEntries(planOf(spec, facts).stages.map(({ name, key }) => [name, key]));
const changedBy = (change: (spec: Spec) => void): string[] => {
  const [before, after] = [keysOf(pipeline()), keysOf(pipeline(change))];
  return Object.keys(before).filter((name) => before[name] !== after[name]);
};
const all = ["bpe", "base", "sft", "rm", "critic", "ppo", "eval"];

/** An object with its members in another order, all the way down. */
function shuffled(value: unknown, draw: number): unknown {
  if (Array.isArray(value)) return value.map((each) => shuffled(each, draw));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(randomAt(draw, "order").shuffled(Object.entries(value)).map(([name, each]) => [name, shuffled(each, draw)]));
}

describe("a stage's key", () => {
  it.each([1, 2, 3, 4, 5])("does not depend on the order of members in the spec (%i)", (draw) => {
    const spec = pipeline();
    expect(keysOf({ ...spec, ...shuffled(spec, draw) as Spec })).toEqual(keysOf(spec));
  });

  it.each<[string, (spec: Spec) => void]>([
    ["the pipeline's name and description", (spec) => { Object.assign(spec, { name: "other", description: "words" }); }],
    ["descriptions of parts", (spec) => { for (const part of [spec.data["hh"]!, spec.models["tiny"]!, spec.stages["ppo"]!]) part["description"] = "words"; }],
    ["checkpoints and resources", (spec) => { Object.assign(spec.stages["sft"]!, { checkpoint: { everySteps: 1 }, resources: { cpus: 2, memory: "1GB", gpus: 1, backend: "torch", processes: 2, vllmMemory: 0.5 } }); }],
    ["guards that note, stop or ask", (spec) => {
      Object.assign(spec.stages["sft"]!, { guards: { loss: { metric: "loss/sft", above: 9 }, nan: { nan: true } } });
      Object.assign(spec.stages["ppo"]!, { guards: { kl: { metric: "objective/kl", above: 6, then: "ask" }, length: { metric: "response/length", above: 40, then: "note" } } });
    }],
    ["defaults written out", (spec) => { Object.assign(spec.stages["sft"]!, { epochs: 2, batch: 32, schedule: "cosine" }); spec.models["tiny"]!["keyValueHeads"] = 2; }],
    ["a preset written out as tricks", (spec) => {
      Object.assign(spec.stages["ppo"]!, { preset: "vanilla", tricks: { klPenalty: {}, rewardNormalization: {}, valueClipping: {}, pretrainingLoss: {} } });
    }],
    ["a decoding all of whose settings are written otherwise", (spec) => { Object.assign(spec.stages["eval"]!, { decoding: "paper", topP: 1, temperature: 0.8, repetitionPenalty: 1 }); }],
    ["a stage that nothing else needs", (spec) => { spec.stages["more"] = { kind: "sft", model: "base", data: "hh" }; }],
    ["a seed written where it was inherited", (spec) => { spec.stages["sft"]!["seed"] = 7; }],
  ])("does not change with %s", (_, change) => {
    expect(changedBy(change)).toEqual([]);
  });

  it("counts what servers are asked, and not how", () => {
    const chat = { url: "https://example.org/v1/chat/completions", model: "m" };
    const asking = (judge: object, baseline: object = judge) => keysOf(pipeline((spec) => { Object.assign(spec.stages["eval"]!, { judges: [{ name: "gpt", chat: { ...chat, ...judge } }], baseline: { chat: { ...chat, ...baseline } } }); }))["eval"];
    const before = asking({});
    for (const how of [{ secret: "TRUELINE_SECRET_KEY" }, { timeout: "5s" }, { retries: 1 }, { concurrency: 9 }]) expect(asking(how), JSON.stringify(how)).toBe(before);
    for (const what of [{ url: "https://example.com/v1/chat/completions" }, { model: "n" }, { version: "2" }]) {
      expect(asking(what, {}), JSON.stringify(what)).not.toBe(before);
      expect(asking({}, what), JSON.stringify(what)).not.toBe(before);
    }
    expect(asking({ rubric: "Be short." }, {})).not.toBe(before);
  });

  it("is the same for the paper's decoding by name and written out", () => {
    const decoding = (members: object) => keysOf(pipeline((spec) => { Object.assign(spec.stages["eval"]!, members); }))["eval"];
    expect(decoding({ decoding: "paper" })).toBe(decoding({ temperature: 0.8, topP: 0.9, repetitionPenalty: 1.1 }));
    expect(decoding({ decoding: "paper", topP: 0.5 })).toBe(decoding({ topP: 0.5, repetitionPenalty: 1.1 }));
    expect(decoding({ decoding: "paper" })).not.toBe(decoding({}));
  });

  it("does not change when stages, models and data entries get other names", () => {
    const text = JSON.stringify(pipeline());
    const names: Record<string, string> = { hh: "dialogues", book: "prose", tiny: "small", bpe: "tokens", base: "start", sft: "tuned", rm: "judge", ppo: "aligned" };
    const renamed = JSON.parse(Object.entries(names).reduce((words, [old, fresh]) => words.replaceAll(`"${old}"`, `"${fresh}"`).replaceAll(`"kind":"${fresh}"`, `"kind":"${old}"`), text)) as Spec;
    const [before, after] = [keysOf(pipeline()), keysOf(renamed)];
    for (const name of all) expect(after[names[name] ?? name], name).toBe(before[name]);
  });

  it.each<[string, (spec: Spec) => void, readonly string[]]>([
    ["a parameter", (spec) => { spec.stages["rm"]!["learningRate"] = 1e-4; }, ["rm", "critic", "ppo", "eval"]],
    ["a guard that rolls back", (spec) => { spec.stages["ppo"]!["guards"] = { kl: { metric: "objective/kl", above: 6, then: { rollBack: { change: { policyLearningRate: 1e-5 } } } } }; }, ["ppo", "eval"]],
    ["a parameter of a trick", (spec) => { spec.stages["ppo"]!["tricks"] = { klPenalty: { coefficient: 0.1 } }; }, ["ppo", "eval"]],
    ["a trick that is turned off", (spec) => { spec.stages["ppo"]!["tricks"] = { valueClipping: false }; }, ["ppo", "eval"]],
    ["a size of the model", (spec) => { spec.models["tiny"]!["layers"] = 3; }, ["base", "sft", "rm", "critic", "ppo", "eval"]],
    ["the tokenizer", (spec) => { spec.stages["bpe"]!["vocabulary"] = 400; }, all],
    ["the seed", (spec) => { spec["seed"] = 8; }, all],
    ["a stage's seed", (spec) => { spec.stages["eval"]!["seed"] = 8; }, ["eval"]],
    ["the share held out", (spec) => { spec.data["hh"]!["holdout"] = 0.2; }, ["bpe", "base", "sft", "rm", "critic", "ppo", "eval"]],
    ["a reference", (spec) => { spec.stages["eval"]!["baseline"] = "base"; }, ["eval"]],
    ["the order of data", (spec) => { spec.stages["bpe"]!["data"] = ["book", "hh"]; }, all],
    ["another sampler, which draws other answers", (spec) => { Object.assign(spec.stages["ppo"]!, { generation: "vllm", resources: { backend: "torch" } }); }, ["ppo", "eval"]],
    ["pretraining text that is read", (spec) => { spec.stages["ppo"]!["pretrainingData"] = "hh"; }, ["ppo", "eval"]],
  ])("changes with %s, there and downstream only", (_, change, changed) => {
    expect(changedBy(change)).toEqual(changed);
  });

  it("does not change with pretraining text that no loss reads", () => {
    const off = (spec: Spec): void => { spec.stages["ppo"]!["tricks"] = { pretrainingLoss: false }; };
    expect(keysOf(pipeline((spec) => { off(spec); delete spec.stages["ppo"]!["pretrainingData"]; }))).toEqual(keysOf(pipeline(off)));
  });

  it("changes with a data file's content and not with its place", () => {
    const spec = pipeline();
    const facts = factsFor(spec);
    const withBook = (path: string, digest: string): Facts => ({ ...facts, data: new Map([...facts.data, ["book", { path, digest }]]) });
    const before = keysOf(spec, facts);
    expect(keysOf(spec, withBook("/elsewhere/book.txt", facts.data.get("book")!.digest))).toEqual(before);
    expect(keysOf(spec, withBook(facts.data.get("book")!.path, sha256("other")))["bpe"]).not.toBe(before["bpe"]);
  });

  it("changes with the content of a model's directory", () => {
    const spec = pipeline(({ models, stages }) => { models["given"] = { path: "given" }; stages["sft"]!["model"] = "given"; });
    const model = (digest: string): Facts => factsFor(spec, new Map([["given", { path: "/given", digest: sha256(digest), type: "language-model", context: 64, tokenizer: "bpe", layers: [], padding: "own" }]]));
    const [before, after] = [keysOf(spec, model("a")), keysOf(spec, model("b"))];
    expect(all.filter((name) => before[name] !== after[name])).toEqual(["sft", "rm", "critic", "ppo", "eval"]);
  });

  it("is different for every parameter that decides a result", () => {
    // Parameters whose values are names or schedules, or that only ppo's preset stands for.
    const others = new Set(["kind", "description", "seed", "checkpoint", "resources", "preset", "tricks", "schedule", "tooLong", "isolateHan"]);
    const before = keysOf(pipeline());
    for (const stage of all) {
      const { kind, parameters } = stageOf(planOf(pipeline()), stage);
      const inputs = Object.keys(stageKinds[kind as keyof typeof stageKinds].inputs);
      for (const [name, value] of Object.entries(parameters)) {
        if (others.has(name) || inputs.includes(name) || typeof value !== "number") continue;
        const variants = [value + 1, value / 2, 0.5].map((other) => pipeline((spec) => { spec.stages[stage]![name] = other; }));
        const valid = variants.find((spec) => faultsOf(spec).length === 0);
        expect(valid, `${stage}.${name}`).toBeDefined();
        expect(keysOf(valid!)[stage], `${stage}.${name}`).not.toBe(before[stage]);
      }
    }
  });
});

describe("a plan", () => {
  it("puts each stage after those it waits for, the tokenizer of a model from scratch included", () => {
    const plan = planOf(pipeline((spec) => { spec.stages = Object.fromEntries(Object.entries(spec.stages).reverse()) as Spec["stages"]; }));
    const order = plan.stages.map(({ name }) => name);
    for (const stage of plan.stages) for (const before of stage.after) expect(order.indexOf(before)).toBeLessThan(order.indexOf(stage.name));
    expect(stageOf(plan, "base").after).toEqual(["bpe"]);
    expect(stageOf(plan, "ppo").after).toEqual(["sft", "rm", "critic"]);
  });

  it("completes the sizes of a model from scratch", () => {
    expect(stageOf(planOf(pipeline()), "base").inputs["model"]).toEqual({
      from: "scratch", model: "tiny", tokenizer: "bpe",
      configuration: { architecture: "llama", layers: 2, hidden: 32, heads: 2, keyValueHeads: 2, intermediate: 88, context: 64, tiedEmbeddings: true, ropeTheta: 10000 },
    });
  });

  it.each([
    ["qwen2", {}, { keyValueHeads: 2, intermediate: 88, ropeTheta: 10000 }],
    ["qwen3", { headSize: 24, ropeTheta: 1e6 }, { keyValueHeads: 2, intermediate: 88, headSize: 24, ropeTheta: 1e6 }],
    ["mistral", { window: 16, keyValueHeads: 1 }, { keyValueHeads: 1, intermediate: 88, ropeTheta: 10000, window: 16 }],
    ["gpt2", {}, { keyValueHeads: 2, intermediate: 128 }],
  ])("completes them for %s, with what it has alone", (architecture, given, expected) => {
    const plan = planOf(pipeline((spec) => { Object.assign(spec.models["tiny"]!, { architecture, ...given }); }));
    expect(stageOf(plan, "base").inputs["model"]).toEqual({
      from: "scratch", model: "tiny", tokenizer: "bpe",
      configuration: { architecture, layers: 2, hidden: 32, heads: 2, context: 64, tiedEmbeddings: true, ...expected },
    });
  });

  it("holds a rollback's changes complete, each resting on the one before", () => {
    const change = [{ tricks: { gae: { lambda: 0.8 } } }, { policyLearningRate: 1e-5, tricks: { klPenalty: {}, gae: { gamma: 0.9 }, clippedSurrogate: false } }];
    const spec = pipeline(({ stages }) => {
      Object.assign(stages["ppo"]!, {
        preset: "vanilla", tricks: { gae: { gamma: 0.5 } }, guards: { kl: { metric: "objective/kl", above: 6, then: { rollBack: { change } } } },
      });
    });
    expect(stageOf(planOf(spec), "ppo").parameters["guards"]).toMatchObject({ kl: { over: 5, then: { rollBack: { every: 10, change: [
      { tricks: { gae: { lambda: 0.8, gamma: 0.5 } } },
      { policyLearningRate: 1e-5, tricks: { klPenalty: { coefficient: 0.05 }, gae: { lambda: 0.8, gamma: 0.9 }, clippedSurrogate: false } },
    ] } } } });
  });

  it("names for a stage that needs GPUs the queue of workers that have just these", () => {
    const plan = planOf(pipeline(({ stages }) => { stages["sft"]!["resources"] = { gpus: 8, memory: "80GB" }; }));
    expect([stageOf(plan, "sft").taskQueue, stageOf(plan, "rm").taskQueue]).toEqual(["trueline-gpu-8x80GB", "trueline-cpu"]);
  });
});
