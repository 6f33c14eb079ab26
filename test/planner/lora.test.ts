import { describe, expect, it } from "vitest";
import { heldModels } from "../../planner/held-models.js";
import { faultsOf, pipeline, planOf, stageOf, type Members } from "./pipeline.js";

const withLora = (stage: string, lora: Members) => pipeline(({ stages }) => { stages[stage]!["lora"] = lora; });
const faults = (stage: string, lora: Members) => faultsOf(withLora(stage, lora)).map(({ field, code, message, hint }) => ({ field, code, text: `${message} ${hint ?? ""}` }));

describe("lora", () => {
  it("is a part of a stage's key where it is written, and only there", () => {
    const plain = stageOf(planOf(pipeline()), "sft");
    expect(plain.parameters).not.toHaveProperty("lora");
    const keys = [{ rank: 4 }, { rank: 8 }, { targets: ["q_proj"] }].map((lora) => stageOf(planOf(withLora("sft", lora)), "sft").key);
    expect(new Set([plain.key, ...keys]).size).toBe(4);
    expect(stageOf(planOf(withLora("sft", {})), "sft").parameters["lora"]).toEqual({ rank: 8, alpha: 16, targets: "all-linear" });
  });

  it("is refused on layers that the model does not have, with the name that was meant", () => {
    expect(faults("sft", { targets: ["q_proj", "v_prj"] })).toEqual([
      { field: "stages.sft.lora.targets", code: "TL_SPEC_WRONG_VALUE", text: expect.stringMatching(/`base` is called `v_prj`.*did you mean `v_proj`/) },
    ]);
    expect(faults("ppo", { targets: ["c_attn"] })).toHaveLength(2);
    expect(faults("sft", { targets: ["self_attn.q_proj"] })).toEqual([]);
  });

  it("is refused on a model from scratch, with the reason", () => {
    expect(faults("base", {})).toEqual([{ field: "stages.base.lora", code: "TL_SPEC_CONFLICT", text: expect.stringMatching(/leaves the weights as they are, and `tiny` begins from random ones/) }]);
  });

  it.each([["dropout", { dropout: 0.1 }], ["rank", { rank: 0 }], ["targets", { targets: [] }]])("is refused with %s out of range", (field, lora) => {
    expect(faults("sft", lora)).toMatchObject([{ field: `stages.sft.lora.${field}`, code: "TL_SPEC_WRONG_VALUE" }]);
  });

  it("takes as much memory as models that are only read, and PPO one of them less", () => {
    const bytes = (lora?: Members) => heldModels(planOf(lora === undefined ? pipeline() : withLora("ppo", lora)), new Map()).find(({ stage }) => stage === "ppo")!;
    const [whole, adapted] = [bytes(), bytes({})];
    expect([whole.models, adapted.models]).toEqual([4, 3]);
    expect(whole.bytes / adapted.bytes).toBeCloseTo((2 * 16 + 2 * 4) / (3 * 4), 5);
  });

  it("has DPO's reference under the policy's adapter", () => {
    const models = (lora?: Members) => heldModels(planOf(pipeline((spec) => { spec.stages["dpo"] = { kind: "dpo", policy: "sft", data: "hh", lora }; })), new Map())
      .find(({ stage }) => stage === "dpo")!.models;
    expect([models(), models({})]).toEqual([2, 1]);
  });
});
