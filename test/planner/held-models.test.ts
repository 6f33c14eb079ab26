import { describe, expect, it } from "vitest";
import { heldModels, memoryWarnings } from "../../planner/held-models.js";
import { pipeline, planOf } from "./pipeline.js";

const planFor = (change: Parameters<typeof pipeline>[0] = () => undefined) => planOf(pipeline((spec) => {
  Object.assign(spec.models["tiny"]!, { hidden: 8, intermediate: 16 });
  change(spec);
}));

/** Embeddings, which the head shares; a layer's four attention and three MLP matrices with two norms; the last norm. */
const parameters = 300 * 8 + 2 * (4 * 8 * 8 + 3 * 8 * 16 + 2 * 8) + 8;

describe("the models that a stage holds at once", () => {
  it("take 16 bytes a parameter where they are trained, else 4; all go back to the model from scratch", () => {
    const held = new Map(heldModels(planFor(), new Map()).map((each) => [each.stage, each]));
    const taking = (trained: number, frozen: number) => ({ parameters, models: trained + frozen, bytes: parameters * (16 * trained + 4 * frozen) });
    expect(held.get("bpe")).toBeUndefined();
    for (const stage of ["base", "sft", "rm"]) expect(held.get(stage), stage).toMatchObject(taking(1, 0));
    expect(held.get("critic")).toMatchObject(taking(1, 2));
    expect(held.get("ppo")).toMatchObject(taking(2, 2));
    expect(held.get("eval")).toMatchObject(taking(0, 3));
  });

  it("are told of where they alone are larger than the memory, unless PyTorch computes, which knows other ways", () => {
    const plan = planFor();
    const warned = (memory: number, of = plan) => memoryWarnings(of, heldModels(of, new Map()), memory).map((text) => text.split(":")[0]);
    expect(warned(parameters * 40)).toEqual([]);
    expect(warned(parameters * 40 - 1)).toEqual(["ppo"]);
    expect(warned(parameters * 16 - 1)).toEqual(["base", "sft", "rm", "critic", "ppo"]);
    expect(warned(parameters * 40 - 1, planFor(({ stages }) => { stages["ppo"]!["resources"] = { backend: "torch" }; }))).toEqual([]);
  });
});
