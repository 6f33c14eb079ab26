import { describe, expect, it } from "vitest";
import { differences } from "../../planner/differences.js";
import { faultsOf, pipeline, planOf, stageOf } from "./pipeline.js";

const sft = (data: unknown) => pipeline((spec) => {
  spec.data["more"] = { format: "alpaca", path: "more.json" };
  spec.stages["sft"]!["data"] = data;
});
const planned = (data: unknown) => stageOf(planOf(sft(data)), "sft");

describe("a mixture of data entries", () => {
  it("is planned with a weight for each, 1 where none is written", () => {
    expect(planned([{ from: "hh", weight: 2 }, "more"]).inputs["data"]).toMatchObject({ from: "data", weights: [2, 1], entries: [{ name: "hh" }, { name: "more" }] });
    expect(planned(["hh", "more"]).inputs["data"]).not.toHaveProperty("weights");
  });

  it("is a part of the key, and one entry by its name is what it was before there were mixtures", () => {
    const keys = [planned("hh"), planned(["hh", "more"]), planned([{ from: "hh", weight: 2 }, "more"]), planned([{ from: "hh", weight: 3 }, "more"])].map(({ key }) => key);
    expect(new Set(keys).size).toBe(4);
    expect(planned(["hh"]).key).toBe(keys[0]);
    expect(planned("hh").keyParts["inputs"]).toMatchObject({ data: { data: [{ format: "hh-rlhf" }] } });
    expect(differences(planned([{ from: "hh", weight: 2 }, "more"]), planned([{ from: "hh", weight: 3 }, "more"]))).toEqual(["weights of data of sft changed from [2,1] to [3,1]"]);
  });

  it.each([
    [[{ from: "hq", weight: 2 }], "TL_SPEC_UNKNOWN_REFERENCE", /no data entry `hq`/],
    [[{ from: "book", weight: 2 }], "TL_SPEC_DATA_USE", /format text, which holds no dialogues/],
    [[{ from: "hh", weight: 0 }], "TL_SPEC_WRONG_VALUE", /./],
    [[], "TL_SPEC_WRONG_VALUE", /./],
  ])("%j is a fault in its place", (data, code, message) => {
    expect(faultsOf(sft(data))).toContainEqual(expect.objectContaining({ code, message: expect.stringMatching(message) as unknown }));
  });

  it("takes no `maxPairs`, which would choose pairs before the weights do", () => {
    const spec = pipeline(({ stages }) => { Object.assign(stages["rm"]!, { data: [{ from: "hh", weight: 2 }], maxPairs: 10 }); });
    expect(faultsOf(spec)).toMatchObject([{ code: "TL_SPEC_CONFLICT", field: expect.stringContaining("maxPairs") as unknown }]);
  });
});
