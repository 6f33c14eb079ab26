import { describe, expect, it } from "vitest";
import { factsFor, faultsOf, pipeline, planOf, stageOf, type Members } from "./pipeline.js";

type Spec = ReturnType<typeof pipeline>;
const swept = (sweep: Members, change: (spec: Spec) => void = () => undefined): Spec => pipeline((spec) => {
  change(spec);
  spec["sweep"] = sweep;
});
/** Files are what they were, though a data entry has copies. */
const planned = (spec: Spec) => planOf(spec, {
  ...factsFor(spec), data: new Proxy(new Map(), { get: (map, member) => member === "get" ? (name: string) => factsFor(spec).data.get(name.split(".")[0]!) : Reflect.get(map, member) as unknown }),
});
const names = (spec: Spec) => planned(spec).stages.map(({ name }) => name);
const kl = { field: "stages.ppo.tricks.klPenalty.coefficient", values: [0.05, 0.1] };

describe("a sweep", () => {
  it("copies the stages that an axis touches and those that rest on them, and no others", () => {
    expect(names(swept({ axes: { kl } }))).toEqual(["bpe", "base", "sft", "rm", "critic", "ppo.kl-0.05", "ppo.kl-0.1", "eval.kl-0.05", "eval.kl-0.1"]);
    expect(names(swept({ axes: { margin: { field: "stages.eval.tieMargin", values: [0, 0.1] } } }))).toEqual(["bpe", "base", "sft", "rm", "critic", "ppo", "eval.margin-0", "eval.margin-0.1"]);
  });

  it("gives a copy the key that it has when it is written by hand", () => {
    const plan = planned(swept({ axes: { kl, seed: { seeds: [21, 22], stages: ["ppo"] } } }));
    const byHand = planOf(pipeline((spec) => { Object.assign(spec.stages["ppo"]!, { tricks: { klPenalty: { coefficient: 0.1 } }, seed: 22 }); }));
    for (const stage of ["ppo", "eval"]) expect(stageOf(plan, `${stage}.kl-0.1.s22`).key).toBe(stageOf(byHand, stage).key);
    expect(stageOf(plan, "critic").key).toBe(stageOf(byHand, "critic").key);
  });

  it("is what its copies are when they are written by hand, names included", () => {
    const { ppo, eval: evaluate, ...shared } = pipeline().stages;
    const copies = [0.05, 0.1].map((coefficient) => [
      [`ppo.kl-${coefficient}`, { ...ppo, tricks: { klPenalty: { coefficient } } }], [`eval.kl-${coefficient}`, { ...evaluate, candidate: `ppo.kl-${coefficient}` }],
    ] as const);
    const byHand = planOf(pipeline((spec) => { spec.stages = { ...shared, ...Object.fromEntries(copies.map(([one]) => one)), ...Object.fromEntries(copies.map(([, other]) => other)) }; }));
    expect(planned(swept({ axes: { kl } })).stages).toEqual(byHand.stages);
  });

  it("combines all axes and variants, and tells the variants with their stages", () => {
    const { sweep } = planned(swept({ axes: { kl, seed: { seeds: 2, stages: ["ppo"] } }, variants: { scaled: { "stages.ppo.tricks.rewardScaling": {} }, plain: {} }, parallel: 2 }));
    expect(sweep?.parallel).toBe(2);
    expect(sweep?.variants.map(({ name, seed, stages }) => `${name}/${seed}: ${Object.values(stages).join(" ")}`)).toEqual([
      "scaled.kl-0.05/7: ppo.scaled.kl-0.05.s7 eval.scaled.kl-0.05.s7", "scaled.kl-0.05/8: ppo.scaled.kl-0.05.s8 eval.scaled.kl-0.05.s8",
      "scaled.kl-0.1/7: ppo.scaled.kl-0.1.s7 eval.scaled.kl-0.1.s7", "scaled.kl-0.1/8: ppo.scaled.kl-0.1.s8 eval.scaled.kl-0.1.s8",
      "plain.kl-0.05/7: ppo.kl-0.05.s7 eval.kl-0.05.s7", "plain.kl-0.05/8: ppo.kl-0.05.s8 eval.kl-0.05.s8",
      "plain.kl-0.1/7: ppo.kl-0.1.s7 eval.kl-0.1.s7", "plain.kl-0.1/8: ppo.kl-0.1.s8 eval.kl-0.1.s8",
    ]);
    expect(sweep?.variants[0]?.settings).toEqual({ variant: "scaled", kl: "0.05" });
  });

  it("follows the references that a variant has, not those of the spec", () => {
    const spec = swept({
      axes: { rate: { field: "stages.critic.learningRate", values: [1e-4, 1e-5] } },
      variants: { vanilla: { "stages.ppo.preset": "vanilla", "stages.ppo.critic": "rm" }, max: {} },
    });
    expect(names(spec).filter((name) => name.startsWith("ppo"))).toEqual(["ppo.vanilla", "ppo.rate-0.0001", "ppo.rate-0.00001"]);
  });

  it("replaces a stage as a whole, by one of another kind too, before axes set its fields", () => {
    const dpo = { kind: "dpo", policy: "sft", data: "hh", beta: 0.3 };
    const plan = planned(swept({ axes: { seed: { seeds: [21, 22], stages: ["ppo"] } }, variants: { max: {}, dpo: { "stages.ppo": dpo } } }));
    expect(plan.stages.filter(({ name }) => name.startsWith("ppo")).map(({ name, kind, seed }) => `${name} ${kind} ${seed}`)).toEqual(["ppo.s21 ppo 21", "ppo.s22 ppo 22", "ppo.dpo.s21 dpo 21", "ppo.dpo.s22 dpo 22"]);
    const byHand = planOf(pipeline((spec) => { spec.stages["ppo"] = { ...dpo, seed: 22 }; }));
    expect(stageOf(plan, "eval.dpo.s22").key).toBe(stageOf(byHand, "eval").key);
  });

  it("makes one stage of copies that are the same", () => {
    const spec = swept({ variants: {
      one: { "stages.critic.steps": 5 }, two: { "stages.critic.steps": 5, "stages.ppo.epochs": 2 }, three: { "stages.ppo.epochs": 2 }, four: {},
    } });
    expect(names(spec).filter((name) => /^(critic|ppo)/.test(name))).toEqual(["critic.one", "critic", "ppo.one", "ppo.two", "ppo.three", "ppo"]);
    const inputs = stageOf(planned(spec), "ppo.two").inputs;
    expect(inputs["critic"]).toMatchObject({ stage: "critic.one" });
  });

  it("copies models and data with the stages that read them", () => {
    const models = names(swept({ axes: { layers: { field: "models.tiny.layers", values: [1, 2] } } }));
    expect(models).toEqual(["bpe", ...["base", "sft", "rm", "critic", "ppo", "eval"].flatMap((name) => [`${name}.layers-1`, `${name}.layers-2`])]);
    const spec = swept({ axes: { holdout: { field: "data.book.holdout", values: [0, 0.5] } } }, ({ stages }) => { stages["bpe"]!["data"] = "hh"; delete stages["ppo"]!["pretrainingData"]; });
    expect(names(spec).slice(0, 3)).toEqual(["bpe", "base.holdout-0", "base.holdout-0.5"]);
  });

  it("finds the names inside mixtures and rewards of several terms", () => {
    const spec = swept({ axes: { batch: { field: "stages.rm.batch", values: [8, 16] } } }, ({ stages }) => {
      stages["other"] = { kind: "reward-model", model: "sft", data: "hh", seed: 3 };
      stages["ppo"]!["reward"] = [{ from: "rm", weight: 2 }, { from: "other" }];
    });
    expect(stageOf(planned(spec), "ppo.batch-8").after).toEqual(expect.arrayContaining(["rm.batch-8", "other", "critic.batch-8"]));
    const mixed = planned(swept({ axes: { holdout: { field: "data.hh.holdout", values: [0.1, 0.2] } } }, ({ stages }) => { stages["sft"]!["data"] = [{ from: "hh", weight: 2 }]; }));
    expect(stageOf(mixed, "sft.holdout-0.2").inputs["data"]).toMatchObject({ entries: [{ name: "hh.holdout-0.2", holdout: 0.2 }], weights: [2] });
  });

  it("takes a field away with null, turns a trick on that is off, and reaches into lists", () => {
    const plan = planned(swept({ variants: {
      untexted: { "stages.ppo.pretrainingData": null, "stages.ppo.guards.kl": null }, clipped: { "stages.ppo.tricks.advantageNormalization.clip": 2 }, other: { "stages.bpe.data.0": "book", "stages.bpe.data.1": "hh" },
    } }, ({ stages }) => { Object.assign(stages["ppo"]!, { tricks: { advantageNormalization: false }, guards: { kl: { metric: "objective/kl", above: 9 } } }); }));
    expect(stageOf(plan, "ppo.untexted").parameters["guards"]).toEqual({});
    expect(stageOf(plan, "ppo.untexted").inputs["pretrainingData"]).toBeUndefined();
    expect(stageOf(plan, "ppo.clipped").parameters["tricks"]).toMatchObject({ advantageNormalization: { clip: 2 } });
    expect(stageOf(plan, "bpe.other").inputs["data"]).toMatchObject({ entries: [{ name: "book" }, { name: "hh" }] });
  });

  it("changes several fields together", () => {
    const axes = { size: { values: [{ "stages.ppo.rollouts": 16, "stages.ppo.minibatch": 8 }, { "stages.ppo.rollouts": 32, "stages.ppo.minibatch": 16 }] } };
    const plan = planned(swept({ axes }));
    expect(stageOf(plan, "ppo.size-2").parameters).toMatchObject({ rollouts: 32, minibatch: 16 });
    expect(plan.sweep?.variants.map(({ settings }) => settings)).toEqual([{ size: "1" }, { size: "2" }]);
  });

  it("draws the same random values each time, others with another seed, within their bounds", () => {
    const drawn = (seed: number, random: Members) => planned(swept({ axes: { x: { field: "stages.ppo.policyLearningRate", random } } }, (spec) => { spec["seed"] = seed; }))
      .stages.flatMap(({ kind, parameters }) => kind === "ppo" ? [Number(parameters["policyLearningRate"])] : []);
    const log = drawn(1, { from: 1e-6, to: 1e-2, scale: "log", count: 40 });
    expect(log).toHaveLength(40);
    expect(drawn(1, { from: 1e-6, to: 1e-2, scale: "log", count: 40 })).toEqual(log);
    expect(drawn(2, { from: 1e-6, to: 1e-2, scale: "log", count: 40 })).not.toEqual(log);
    for (const value of log) expect(value >= 1e-6 && value <= 1e-2).toBe(true);
    expect(log.filter((value) => value < 1e-4).length).toBeGreaterThan(10);
    expect(drawn(1, { from: 1, to: 4, whole: true, count: 4 }).sort()).toEqual([1, 2, 3, 4]);
  });

  it("may be sorted by what one of several judges finds", () => {
    const judges = ["gold", { name: "api", chat: { url: "https://api.example/v1/chat/completions", model: "m" } }];
    for (const judge of ["gold", "api"]) {
      const spec = swept({ axes: { kl }, objective: { stage: "eval", metric: `judge/${judge}/win_rate` } }, ({ stages }) => { stages["eval"]!["judges"] = judges; });
      expect(planned(spec).sweep?.objective?.goal).toBe("maximize");
    }
  });

  it("may be sorted and halved by what a term of the reward scores, by the name that it has", () => {
    const metric = "objective/scores/rule";
    const spec = swept({ axes: { kl }, objective: { stage: "ppo", metric }, halving: { stage: "ppo", metric: "objective/scores/1", every: 5 } }, ({ stages }) => {
      stages["ppo"]!["reward"] = ["rm", { url: "https://scores.example", name: "rule" }];
    });
    expect(faultsOf(spec)).toEqual([]);
    expect(faultsOf(swept({ axes: { kl }, objective: { stage: "ppo", metric } })).map(({ hint }) => hint)).toEqual(["did you mean `objective/scores`?"]);
  });

  it("may add members to what a variant sets, and turn on what it takes away", () => {
    const axes = { lambda: { field: "stages.ppo.tricks.gae.lambda", values: [0.8, 0.95] }, seed: { seeds: 2, stages: ["ppo"] } };
    expect(faultsOf(swept({ axes, variants: { plain: {}, short: { "stages.ppo.tricks.gae": { gamma: 0.9 } }, bare: { "stages.ppo.tricks": null } } }))).toEqual([]);
  });

  it("has people let each copy through that they let through", () => {
    const plan = planned(swept({ axes: { kl } }, (spec) => { spec["approval"] = { before: ["ppo", "sft"] }; }));
    expect(plan.stages.flatMap(({ name, approval }) => approval === undefined ? [] : [name])).toEqual(["sft", "ppo.kl-0.05", "ppo.kl-0.1"]);
  });

  it("warns once of what all copies share", () => {
    const { warnings } = planned(swept({ axes: { kl, seed: { seeds: 3, stages: ["ppo"] } } }, ({ stages }) => { stages["ppo"]!["critic"] = "rm"; }));
    expect(warnings.filter((text) => text.includes("means the critic"))).toEqual([
      "ppo.kl-0.05.s7, ppo.kl-0.05.s8, ppo.kl-0.05.s9 and 3 more: preset ppo-max means the critic to be pretrained; name a critic-pretrain stage in `critic`",
    ]);
  });

  const sweepWarnings = (sweep: Members) => planned(swept(sweep)).warnings.filter((text) => text.startsWith("sweep: "));

  it("warns of variants that are the same, by both names, also where only one of them writes a default", () => {
    const gae = { "stages.ppo.tricks.gae.lambda": 0.9 };
    expect(sweepWarnings({ variants: { plain: {}, written: { "stages.ppo.epochs": 1 }, other: { "stages.ppo.epochs": 2 } } })).toEqual([
      "sweep: the variants `plain` and `written` are the same: all their stages have the same keys, and run once",
    ]);
    expect(sweepWarnings({ axes: { seed: { seeds: 2, stages: ["ppo"] } }, variants: { a: gae, b: { ...gae, "stages.ppo.description": "b" }, c: {} } })).toHaveLength(1);
    expect(sweepWarnings({ axes: { kl, seed: { seeds: 2, stages: ["ppo"] } } })).toEqual([]);
  });

  it("warns of halving that has one variant to choose from, and of variants without the metric that it is by", () => {
    const halving = { stage: "ppo", metric: "objective/kl_coefficient", every: 5 };
    expect(sweepWarnings({ axes: { seed: { seeds: 3, stages: ["ppo"] } }, halving })).toEqual([expect.stringContaining("`halving` has one variant to choose from")]);
    expect(sweepWarnings({ variants: { on: {}, off: { "stages.ppo.tricks.klPenalty": false } }, halving })).toEqual([
      "sweep: ppo.off will have no `objective/kl_coefficient`, which `halving` reads: what has none comes last",
    ]);
  });

  it("leaves plans of specs without one as they are", () => {
    expect("sweep" in planOf(pipeline())).toBe(false);
  });
});

const axis = (members: Members): Members => ({ axes: { a: members } });

/** The sweep, the field at fault, its code, words of the message, words of the hint. */
const cases: readonly (readonly [name: string, sweep: Members, field: string, code: string, message: string, hint?: string])[] = [
  ["a misspelt member", { axis: {} }, "sweep.axis", "TL_SPEC_UNKNOWN_FIELD", "`axis` is no field of `sweep`", "`axes`"],
  ["nothing that varies", {}, "sweep", "TL_SPEC_CONFLICT", "varies nothing", "`axes` or `variants`"],
  ["an axis without values", axis({ field: "stages.ppo.epochs" }), "sweep.axes.a", "TL_SPEC_CONFLICT", "no `values`"],
  ["an axis of nothing", axis({}), "sweep.axes.a", "TL_SPEC_CONFLICT", "does not say what it varies"],
  ["an axis with two kinds of values", axis({ field: "stages.ppo.epochs", values: [1], random: { from: 1, to: 2, count: 1 } }), "sweep.axes.a", "TL_SPEC_CONFLICT", "`values` and `random`"],
  ["seeds of nothing", axis({ seeds: 3 }), "sweep.axes.a", "TL_SPEC_CONFLICT", "whose `seeds`", "`stages`"],
  ["stages without seeds", axis({ field: "stages.ppo.epochs", values: [1], stages: ["ppo"] }), "sweep.axes.a", "TL_SPEC_CONFLICT", "only `seeds` have"],
  ["seeds and a field", axis({ seeds: 3, stages: ["ppo"], field: "stages.ppo.epochs" }), "sweep.axes.a", "TL_SPEC_CONFLICT", "something else to vary"],
  ["seeds of a stage that is not there", axis({ seeds: 3, stages: ["pop"] }), "sweep.axes.a.stages.0", "TL_SPEC_UNKNOWN_REFERENCE", "no `pop`", "`ppo`"],
  ["seeds of a stage that has none", axis({ seeds: 3, stages: ["bpe"] }), "sweep.axes.a.stages.0", "TL_SPEC_UNKNOWN_FIELD", "`seed` is no field of `tokenizer` stages"],
  ["a field of no section", axis({ field: "pop.epochs", values: [1] }), "sweep.axes.a.field", "TL_SPEC_UNKNOWN_REFERENCE", "names no field", "such as `stages.ppo"],
  ["a field without its section", axis({ field: "ppo.epochs", values: [1] }), "sweep.axes.a.field", "TL_SPEC_UNKNOWN_REFERENCE", "names no field", "did you mean `stages.ppo.epochs`?"],
  ["the pipeline's seed", axis({ field: "seed", values: [1, 2] }), "sweep.axes.a.field", "TL_SPEC_UNKNOWN_REFERENCE", "names no field", "`seeds` and `stages`"],
  ["a section as a whole", { variants: { v: { stages: { ppo: { epochs: 2 } } } } }, "sweep.variants.v.stages", "TL_SPEC_UNKNOWN_REFERENCE", "names no entry", "`stages.ppo.epochs`"],
  ["a single value", axis({ field: "stages.ppo.epochs", values: 2 }), "sweep.axes.a.values", "TL_SPEC_WRONG_TYPE", "it has to be a list", "write [2]"],
  ["an objective by the end of its name", { axes: { kl }, objective: { stage: "ppo", metric: "kl" } }, "sweep.objective.metric", "TL_SPEC_WRONG_VALUE", "`ppo` has no `kl`", "did you mean `objective/kl`?"],
  ["a field of a stage that is not there", axis({ field: "stages.pop.epochs", values: [1] }), "sweep.axes.a.field", "TL_SPEC_UNKNOWN_REFERENCE", "`stages` has no `pop`", "`ppo`"],
  ["a stage replaced by a number", axis({ field: "stages.ppo", values: [1] }), "sweep.axes.a.values.0", "TL_SPEC_WRONG_TYPE", "`stages.ppo` can only be replaced by an object", "`stages.ppo.description`"],
  ["a stage taken away", { variants: { v: { "stages.ppo": null } } }, "sweep.variants.v.stages.ppo", "TL_SPEC_WRONG_TYPE", "replaced by an object"],
  ["a fault in a stage that replaces another", { variants: { v: { "stages.ppo": { kind: "dpo", policy: "sft", data: "hh", bta: 1 } } } }, "sweep.variants.v.stages.ppo.bta", "TL_SPEC_UNKNOWN_FIELD", "`bta` is no field of `dpo` stages (in ppo.v)", "`beta`"],
  ["a stage replaced after one of its fields was set", { variants: { v: { "stages.ppo.epochs": 2, "stages.ppo": { kind: "dpo", policy: "sft", data: "hh" } } } }, "sweep.variants.v.stages.ppo", "TL_SPEC_CONFLICT", "`stages.ppo` is set twice"],
  ["a field of nothing", axis({ field: "stages.ppo.", values: [1] }), "sweep.axes.a.field", "TL_SPEC_UNKNOWN_REFERENCE", "no field of `ppo`"],
  ["a misspelt field", axis({ field: "stages.ppo.epoch", values: [1, 2] }), "sweep.axes.a.field", "TL_SPEC_UNKNOWN_FIELD", "`epoch` is no field of `ppo` stages (in ppo.a-1 and 1 more copy)", "`epochs`"],
  ["a misspelt trick", axis({ field: "stages.ppo.tricks.klPenality.coefficient", values: [1] }), "sweep.axes.a.field", "TL_SPEC_UNKNOWN_FIELD", "no trick", "`klPenalty`"],
  ["a field inside a text", axis({ field: "stages.ppo.policy.name", values: [1] }), "sweep.axes.a.field", "TL_SPEC_CONFLICT", "\"sft\", which has no fields"],
  ["a place behind a list's end", axis({ field: "stages.bpe.data.2", values: ["hh"] }), "sweep.axes.a.field", "TL_SPEC_CONFLICT", "no place in a list of 2"],
  ["a value of the wrong type", axis({ field: "stages.ppo.epochs", values: [1, "two"] }), "sweep.axes.a.values.1", "TL_SPEC_WRONG_TYPE", "`epochs` is the text \"two\""],
  ["a value out of range", axis({ field: "stages.ppo.topP", values: [0.5, 2] }), "sweep.axes.a.values.1", "TL_SPEC_WRONG_VALUE", "at most 1"],
  ["a random value out of range", axis({ field: "stages.ppo.topP", random: { from: 2, to: 3, count: 2 } }), "sweep.axes.a.random", "TL_SPEC_WRONG_VALUE", "at most 1"],
  ["a member of a value that is unknown", axis({ field: "stages.ppo.tricks.gae", values: [{ lamda: 1 }] }), "sweep.axes.a.values.0.lamda", "TL_SPEC_UNKNOWN_FIELD", "`gae`", "`lambda`"],
  ["a reference that is wrong", { variants: { v: { "stages.ppo.critic": "bpe" } } }, "sweep.variants.v.stages.ppo.critic", "TL_SPEC_WRONG_REFERENCE", "`bpe` is a tokenizer"],
  ["a reference to nothing", { variants: { v: { "stages.ppo.critic": "crtic" } } }, "sweep.variants.v.stages.ppo.critic", "TL_SPEC_UNKNOWN_REFERENCE", "no stage or model `crtic`", "`critic`"],
  ["a change of an unknown field", { variants: { v: { "stages.ppo.epoch": 1 } } }, "sweep.variants.v.stages.ppo.epoch", "TL_SPEC_UNKNOWN_FIELD", "`epoch` is no field", "`epochs`"],
  ["a field that is needed taken away", { variants: { v: { "stages.ppo.policy": null } } }, "sweep.variants.v.stages.ppo.policy", "TL_SPEC_MISSING_FIELD", "`policy` is missing"],
  ["a conflict that a variant makes", { variants: { v: { "stages.ppo.tricks": { klPenalty: false, adaptiveKl: {} } } } }, "sweep.variants.v.stages.ppo.tricks.adaptiveKl", "TL_SPEC_CONFLICT", "which is off"],
  ["values without a field that are no objects", axis({ values: [1] }), "sweep.axes.a.values.0", "TL_SPEC_WRONG_TYPE", "an object of fields"],
  ["a value given twice", axis({ field: "stages.ppo.epochs", values: [1, 1] }), "sweep.axes.a.values.1", "TL_SPEC_NAME_TAKEN", "1 is given twice", "remove"],
  ["values of one name", axis({ field: "stages.ppo.description", values: ["a b", "a-b"] }), "sweep.axes.a.values.1", "TL_SPEC_NAME_TAKEN", "would both be called"],
  ["an axis called as the variants are", { axes: { variant: { field: "stages.ppo.epochs", values: [1] } }, variants: { v: {} } }, "sweep.axes.variant", "TL_SPEC_NAME_TAKEN", "`variant`"],
  ["two axes of one field", { axes: { a: { field: "stages.ppo.epochs", values: [1] }, b: { field: "stages.ppo.epochs", values: [2] } } }, "sweep.axes.b.field", "TL_SPEC_CONFLICT", "set twice: also by axes.a.field"],
  ["an axis within what another sets", { axes: { a: { field: "stages.ppo.tricks.gae", values: [{ lambda: 0.9 }, false] }, b: { field: "stages.ppo.tricks.gae.lambda", values: [0.8, 0.95] } } }, "sweep.axes.b.field", "TL_SPEC_CONFLICT", "`stages.ppo.tricks.gae.lambda` is set twice: also by axes.a.field"],
  ["an axis around what another sets", { axes: { b: { field: "stages.ppo.tricks.gae.lambda", values: [0.8, 0.95] }, a: { field: "stages.ppo.tricks.gae", values: [{ gamma: 0.9 }] } } }, "sweep.axes.a.field", "TL_SPEC_CONFLICT", "`stages.ppo.tricks.gae` is set twice: also by axes.b.field"],
  ["an axis of a field that a variant sets", { axes: { a: { field: "stages.ppo.epochs", values: [1, 2] } }, variants: { v: { "stages.ppo.epochs": 3 } } }, "sweep.axes.a.field", "TL_SPEC_CONFLICT", "set twice: also by variants.v.stages.ppo.epochs"],
  ["seeds of a stage that a variant gives with its own", { axes: { a: { seeds: 2, stages: ["ppo"] } }, variants: { v: { "stages.ppo": { kind: "dpo", policy: "sft", data: "hh", seed: 3 } } } }, "sweep.axes.a.stages.0", "TL_SPEC_CONFLICT", "`stages.ppo.seed` is set twice: also by variants.v.stages.ppo"],
  ["bounds in the wrong order", axis({ field: "stages.ppo.topP", random: { from: 1, to: 0.5, count: 2 } }), "sweep.axes.a.random.to", "TL_SPEC_WRONG_VALUE", "more than `from`"],
  ["a log scale from 0", axis({ field: "stages.ppo.topP", random: { from: 0, to: 0.5, scale: "log", count: 2 } }), "sweep.axes.a.random.from", "TL_SPEC_WRONG_VALUE", "more than 0"],
  ["more whole numbers than there are", axis({ field: "stages.ppo.epochs", random: { from: 1, to: 3, whole: true, count: 4 } }), "sweep.axes.a.random.count", "TL_SPEC_WRONG_VALUE", "too few numbers"],
  ["an absurd product", { axes: { a: { field: "stages.ppo.epochs", random: { from: 1, to: 900, whole: true, count: 50 } }, s: { seeds: 30, stages: ["ppo"] } } }, "sweep", "TL_SPEC_WRONG_VALUE", "1500 variants: 50 of a × 30 of s", "at most 1000"],
  ["an absurd number of stages", axis({ seeds: 501, stages: ["ppo"] }), "sweep", "TL_SPEC_WRONG_VALUE", "comes to 1007 stages"],
  ["an objective of no stage", { axes: { kl }, objective: { stage: "evl", metric: "eval/gold" } }, "sweep.objective.stage", "TL_SPEC_UNKNOWN_REFERENCE", "no stage `evl`", "`eval`"],
  ["an objective of a stage that all share", { axes: { kl }, objective: { stage: "rm", metric: "rm/accuracy" } }, "sweep.objective.stage", "TL_SPEC_WRONG_REFERENCE", "the same in all variants", "`ppo`, `eval`"],
  ["an objective without such a metric", { axes: { kl }, objective: { stage: "eval", metric: "eval/glod" } }, "sweep.objective.metric", "TL_SPEC_WRONG_VALUE", "has no `eval/glod`", "`eval/gold`"],
  ["an objective that depends on a field of another stage's", { axes: { kl }, objective: { stage: "eval", metric: "rm/accuracy" } }, "sweep.objective.metric", "TL_SPEC_CONFLICT", "`eval` does not report `rm/accuracy`", "`pairs`"],
  ["an objective of a judge that is not asked", { axes: { kl }, objective: { stage: "eval", metric: "judge/gold/win_rate" } }, "sweep.objective.metric", "TL_SPEC_WRONG_VALUE", "`eval` has no `judge/gold/win_rate`", "such as `eval/win_rate`"],
  ["an objective that only evaluations have", { axes: { kl }, objective: { stage: "ppo", metric: "eval/gold" } }, "sweep.objective.metric", "TL_SPEC_WRONG_VALUE", "`ppo` has no `eval/gold`", "such as `objective/scores`"],
  ["a gold score that the training does not take", { axes: { kl }, objective: { stage: "ppo", metric: "objective/gold" } }, "sweep.objective.metric", "TL_SPEC_CONFLICT", "`ppo` does not report `objective/gold`", "name a scorer in `gold`"],
  ["halving by a gold score that the training does not take", { axes: { kl }, halving: { stage: "ppo", metric: "objective/gold", every: 5 } }, "sweep.halving.metric", "TL_SPEC_CONFLICT", "`ppo` does not report `objective/gold`", "name a scorer in `gold`"],
  ["halving by a held-out score without a model for it", { axes: { kl }, halving: { stage: "ppo", metric: "objective/held_out_scores", every: 5 } }, "sweep.halving.metric", "TL_SPEC_CONFLICT", "does not report", "`heldOutReward`"],
  ["halving by a trick's figure that every variant turns off", { variants: { a: { "stages.ppo.tricks.klPenalty": false }, b: { "stages.ppo.tricks.klPenalty": false, "stages.ppo.epochs": 2 } }, halving: { stage: "ppo", metric: "objective/kl_coefficient", every: 5 } }, "sweep.halving.metric", "TL_SPEC_CONFLICT", "does not report", "`klPenalty`"],
  ["halving by a stage that does not train", { axes: { kl }, halving: { stage: "eval", metric: "eval/gold", every: 5 } }, "sweep.halving.metric", "TL_SPEC_WRONG_VALUE", "`eval` has no `eval/gold`", "a stage that trains"],
  ["halving by a misspelt metric", { axes: { kl }, halving: { stage: "ppo", metric: "objective/glod", every: 5 } }, "sweep.halving.metric", "TL_SPEC_WRONG_VALUE", "`ppo` has no `objective/glod`", "`objective/gold`"],
  ["halving without a rung", { axes: { kl }, halving: { stage: "ppo", metric: "objective/kl", every: 80 } }, "sweep.halving.every", "TL_SPEC_WRONG_VALUE", "at most 80 steps: there is no rung", "less than 80"],
  ["more stages at once than a sweep can have", { axes: { kl }, parallel: 1e6 }, "sweep.parallel", "TL_SPEC_WRONG_VALUE", "at most 1000"],
  ["halving that keeps all", { axes: { kl }, halving: { stage: "ppo", metric: "objective/kl", every: 8, keep: 1 } }, "sweep.halving.keep", "TL_SPEC_WRONG_VALUE", "less than 1"],
];

describe("a fault in a sweep", () => {
  for (const [name, sweep, field, code, message, hint] of cases) {
    it(name, () => {
      const faults = faultsOf(swept(sweep));
      expect(faults.map((fault) => `${fault.field}: ${fault.code}`)).toEqual([`${field}: ${code}`]);
      expect(faults[0]?.message).toContain(message);
      if (hint !== undefined) expect(faults[0]?.hint).toContain(hint);
    });
  }

  it("hides no other: sections and entries that are no objects are told as ever", () => {
    const faults = faultsOf(swept({ axes: { kl } }, (spec) => { Object.assign(spec, { models: 5 }); Object.assign(spec.stages, { more: 3 }); }));
    expect(faults.map(({ field, code }) => `${field}: ${code}`)).toEqual(expect.arrayContaining(["models: TL_SPEC_WRONG_TYPE", "stages.more: TL_SPEC_WRONG_TYPE"]));
  });

  it("is told where a name is taken already", () => {
    const faults = faultsOf(swept(axis({ field: "stages.ppo.epochs", values: [1] }), (spec) => { spec.stages["ppo.a-1"] = { ...spec.stages["ppo"], epochs: 9 }; }));
    expect(faults.map(({ field, code, message }) => [field, code, message])).toEqual([["stages.ppo", "TL_SPEC_NAME_TAKEN", "a copy of `ppo` would be called `ppo.a-1`, and something else is already"]]);
  });

  it("of the spec itself is listed once, at its own place, however many copies have it", () => {
    const faults = faultsOf(swept({ axes: { kl, seed: { seeds: 5, stages: ["ppo"] } } }, ({ stages }) => { Object.assign(stages["ppo"]!, { topP: 2, tricks: { gae: { lamda: 1 } } }); stages["eval"]!["prompts"] = "hhh"; }));
    expect(faults.map(({ field, message }) => [field, message.includes("9 more copies")])).toEqual([["stages.ppo.topP", true], ["stages.ppo.tricks.gae.lamda", true], ["stages.eval.prompts", true]]);
  });

  it("is none where every variant mends what the spec itself lacks", () => {
    const spec = swept({ variants: { a: { "stages.ppo.critic": "critic" }, b: { "stages.ppo.critic": "rm" } } }, ({ stages }) => { delete stages["ppo"]!["critic"]; });
    expect(faultsOf(spec)).toEqual([]);
  });
});
