import { describe, expect, it } from "vitest";
import { differences } from "../../planner/differences.js";
import { heldModels } from "../../planner/held-models.js";
import { faultsOf, pipeline, planOf, stageOf } from "./pipeline.js";

type Spec = ReturnType<typeof pipeline>;

/** The pipeline with pairs of the policy's answers, on which a second reward model and a DPO stage are trained. */
const withPairs = (change: (spec: Spec) => void = () => undefined): Spec => pipeline((spec) => {
  Object.assign(spec.stages, {
    pairs: { kind: "preferences", policy: "sft", prompts: "hh", reward: "rm", maxNewTokens: 16 },
    "rm-own": { kind: "reward-model", model: "sft", data: "pairs" },
    dpo: { kind: "dpo", policy: "sft", data: [{ from: "pairs", weight: 2 }, "hh"] },
    best: { kind: "sft", model: "base", data: "pairs" },
  });
  Object.assign(spec.stages["eval"]!, { pairs: "pairs" });
  change(spec);
});
const messages = (change: (spec: Spec) => void) => faultsOf(withPairs(change)).map(({ field, message, hint }) => `${field ?? ""}: ${message}${hint === undefined ? "" : ` (${hint})`}`);
const keysOf = (spec: Spec) => Object.fromEntries(planOf(spec).stages.map(({ name, key }) => [name, key]));

describe("pairs that a stage makes", () => {
  it("are named where a data entry is, alone and in a mixture, and their stage comes first", () => {
    expect(faultsOf(withPairs())).toEqual([]);
    const plan = planOf(withPairs());
    const made = { name: "pairs", format: "preference", stage: "pairs" };
    expect(stageOf(plan, "rm-own").inputs["data"]).toEqual({ from: "data", use: "pairs", entries: [made] });
    expect(stageOf(plan, "dpo").inputs["data"]).toMatchObject({ use: "pairs", weights: [2, 1], entries: [made, { name: "hh", holdout: 0.1 }] });
    expect(stageOf(plan, "best").inputs["data"]).toEqual({ from: "data", use: "dialogues", entries: [made] });
    expect(stageOf(plan, "eval").inputs["pairs"]).toEqual({ from: "data", use: "pairs", entries: [made] });
    for (const name of ["rm-own", "dpo", "best", "eval"]) expect(stageOf(plan, name).after, name).toContain("pairs");
    expect(stageOf(plan, "pairs")).toMatchObject({ output: "preferences", after: ["sft", "rm"] });
    expect(heldModels(plan, new Map()).find(({ stage }) => stage === "pairs")).toMatchObject({ models: 2 });
  });

  it("count in keys as what their stage computes, not by its name", () => {
    const before = keysOf(withPairs());
    const changed = (change: (spec: Spec) => void) => {
      const after = keysOf(withPairs(change));
      return Object.keys(before).filter((name) => after[name] !== before[name]);
    };
    const readers = ["rm-own", "dpo", "best", "eval"].sort();
    expect(changed(({ stages }) => { stages["pairs"]!["samples"] = 8; }).sort()).toEqual(["pairs", ...readers].sort());
    expect(changed(({ stages }) => { stages["pairs"]!["noise"] = 0.1; }).sort()).toEqual(["pairs", ...readers].sort());
    expect(changed(({ stages }) => { Object.assign(stages["pairs"]!, { description: "words", resources: { cpus: 1 }, checkpoint: { everySteps: 2 } }); })).toEqual([]);
    const renamed = keysOf(JSON.parse(JSON.stringify(withPairs()).replaceAll("\"pairs\":{", "\"other\":{").replaceAll("\"data\":\"pairs\"", "\"data\":\"other\"").replaceAll("\"from\":\"pairs\"", "\"from\":\"other\"").replaceAll("\"pairs\":\"pairs\"", "\"pairs\":\"other\"")) as Spec);
    expect(renamed["rm-own"]).toBe(before["rm-own"]);
    expect(renamed["eval"]).toBe(before["eval"]);
  });

  it("have the paper's decoding by name as written out", () => {
    const key = (members: object) => keysOf(withPairs(({ stages }) => { Object.assign(stages["pairs"]!, members); }))["pairs"];
    expect(key({ decoding: "paper" })).toBe(key({ temperature: 0.8, topP: 0.9, repetitionPenalty: 1.1 }));
    expect(key({ decoding: "paper", topP: 0.5 })).not.toBe(key({ decoding: "paper" }));
  });

  it("are given as the reason where their stage changed, and no other entry of a mixture is", () => {
    const [before, now] = [planOf(withPairs()), planOf(withPairs(({ stages }) => { stages["pairs"]!["samples"] = 8; }))];
    expect(differences(stageOf(before, "dpo"), stageOf(now, "dpo"), new Set(["pairs"]))).toEqual(["upstream `pairs` will run"]);
    const reweighed = planOf(withPairs(({ stages }) => { stages["dpo"]!["data"] = [{ from: "pairs", weight: 3 }, "hh"]; }));
    expect(differences(stageOf(before, "dpo"), stageOf(reweighed, "dpo"), new Set())).toEqual(["weights of data of dpo changed from [2,1] to [3,1]"]);
    const others = planOf(withPairs(({ stages }) => { stages["rm-own"]!["data"] = "hh"; }));
    expect(differences(stageOf(before, "rm-own"), stageOf(others, "rm-own"), new Set())).toEqual(["data of rm-own is now `hh` instead of `pairs`"]);
  });

  it("come from a copy of their stage in each variant of a sweep that touches it", () => {
    const plan = planOf(withPairs((spec) => { spec["sweep"] = { axes: { samples: { field: "stages.pairs.samples", values: [2, 4] } } }; }));
    const readersOf = (name: string) => plan.stages.filter((stage) => stage.name.startsWith(name)).map(({ after }) => after.find((each) => each.startsWith("pairs")));
    expect(readersOf("rm-own").sort()).toEqual(plan.stages.filter(({ kind }) => kind === "preferences").map(({ name }) => name).sort());
    expect(new Set(readersOf("rm-own")).size).toBe(2);
    expect(plan.stages.filter(({ name }) => name.startsWith("sft"))).toHaveLength(1);
  });
});

describe("a reward model's accuracy on pairs", () => {
  const ranked = (pairs: unknown) => withPairs(({ data, stages }) => {
    data["more"] = { format: "preference", path: "more.jsonl", holdout: 0.1 };
    data["all"] = { format: "preference", path: "all.jsonl" };
    stages["rank"] = { kind: "reward-accuracy", reward: "rm-own", pairs };
  });

  it("comes after the stages that make them, and has the names of its data in its key, for its figures have them", () => {
    expect(stageOf(planOf(ranked(["pairs", "more"])), "rank")).toMatchObject({ output: "report", after: ["rm-own", "pairs"] });
    const key = (spec: Spec) => keysOf(spec)["rank"];
    const renamed = JSON.parse(JSON.stringify(ranked("more")).replaceAll("\"more\"", "\"others\"")) as Spec;
    expect(faultsOf(renamed)).toEqual([]);
    expect(key(renamed)).not.toBe(key(ranked("more")));
    expect(key(ranked(["more"]))).toBe(key(ranked("more")));
  });

  it("is of held-out pairs, and of each data entry once", () => {
    const told = (pairs: unknown) => faultsOf(ranked(pairs)).map(({ field, message }) => `${field ?? ""}: ${message}`);
    expect(told(["more", "all"])).toEqual(["stages.rank.pairs.1: evaluation uses held-out rows alone, and `all` holds none out"]);
    expect(told(["more", "pairs", "more"])).toEqual(["stages.rank.pairs.2: `more` is named twice, and its pairs count once"]);
    expect(told("book")[0]).toContain("`book` has the format text, which holds no pairs");
  });
});

describe("faults of pairs that a stage makes", () => {
  it("are told where the stage named makes none, or has been given a name twice", () => {
    expect(messages(({ stages }) => { stages["rm-own"]!["data"] = "sft"; }))
      .toEqual(["stages.rm-own.data: `sft` is a language model; `data` wants a data entry or a stage of kind `preferences` (known: `hh`, `book`, `pairs`)"]);
    expect(messages(({ stages }) => { stages["rm-own"]!["data"] = "pair"; })).toEqual(["stages.rm-own.data: there is no data entry `pair` (did you mean `pairs`?)"]);
    expect(messages(({ data }) => { data["pairs"] = { format: "preference", path: "pairs.jsonl", holdout: 0.1 }; }))
      .toEqual(["stages.pairs: `pairs` names a stage and a data entry; a reference could mean either (rename one of them)"]);
    expect(messages(({ stages }) => { stages["asked"] = { kind: "multiple-choice", model: "sft", questions: "pairs" }; })[0])
      .toContain("`pairs` makes data of the format preference, which holds no questions");
    expect(messages(({ stages }) => { stages["rm-own"]!["model"] = "pairs"; })[0]).toContain("`pairs` is a set of preference pairs; `model` wants a language model");
  });

  it("are told where stages wait for each other's pairs", () => {
    expect(messages(({ stages }) => { stages["sft"]!["data"] = "pairs"; })[0]).toContain("these stages wait for each other");
    expect(messages(({ stages }) => {
      stages["pairs"]!["prompts"] = "more";
      stages["more"] = { ...stages["pairs"], prompts: "pairs" };
    })[0]).toContain("these stages wait for each other");
  });

  it("are told where nothing labels, or the judge lacks what it needs", () => {
    const without = (members: object) => messages(({ stages }) => { stages["pairs"] = { kind: "preferences", policy: "sft", prompts: "hh", maxNewTokens: 16, ...members }; });
    expect(without({})).toEqual(["stages.pairs: nothing labels the pairs (name a reward model in `reward`, or a scorer in `gold`)"]);
    expect(without({ judge: "reward-model", gold: "sample" })).toEqual(["stages.pairs.judge: the judge `reward-model` needs `reward`, which the stage does not give (name a reward model in `reward`)"]);
    expect(without({ judge: "gold", reward: "rm" })[0]).toContain("needs `gold`");
    expect(without({ reward: { url: "https://example.org/", normalize: { answers: 9 } } })[0]).toContain("a stage that trains nothing has no first step");
    expect(without({ gold: "sample" })).toEqual([]);
  });

  it("are told where an evaluation wants held-out pairs, and the prompts hold none out", () => {
    const hint = "it holds out what its prompts do: give their data entry a `holdout`, such as 0.1";
    expect(messages(({ data, stages }) => {
      data["all"] = { format: "prompt", path: "all.jsonl" };
      stages["pairs"]!["prompts"] = "all";
    })).toEqual([`stages.eval.pairs: evaluation uses held-out rows alone, and \`pairs\` holds none out (${hint})`]);
    expect(messages(({ stages }) => { stages["pairs"]!["maxHeldOutPrompts"] = 0; })).toEqual([
      `stages.eval.pairs: evaluation uses held-out rows alone, and \`pairs\` holds none out (${hint}, and the stage a \`maxHeldOutPrompts\` above 0)`,
    ]);
  });
});
