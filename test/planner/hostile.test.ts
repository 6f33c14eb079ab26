import { describe, expect, it } from "vitest";
import { faultsOf, factsFor, pipeline, planOf, stageOf } from "./pipeline.js";

describe("names of an object's prototype", () => {
  it("are names like any other, for data, models and stages", () => {
    const text = JSON.stringify(pipeline()).replaceAll("\"sft\":", "\"constructor\":").replaceAll("\"model\":\"sft\"", "\"model\":\"constructor\"")
      .replaceAll("\"policy\":\"sft\"", "\"policy\":\"constructor\"").replaceAll("\"baseline\":\"sft\"", "\"baseline\":\"constructor\"")
      .replaceAll("\"tiny\"", "\"toString\"").replaceAll("\"hh\"", "\"hasOwnProperty\"").replaceAll("\"rm\"", "\"valueOf\"");
    const value = JSON.parse(text) as ReturnType<typeof pipeline>;
    const plan = planOf(value, factsFor(value));
    expect(plan.stages.map(({ name }) => name)).toEqual(["bpe", "base", "constructor", "valueOf", "critic", "ppo", "eval"]);
    expect(stageOf(plan, "ppo").inputs["policy"]).toMatchObject({ from: "stage", stage: "constructor" });
  });

  it("are known only where somebody wrote them", () => {
    for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
      expect(faultsOf(pipeline(({ stages }) => { stages["sft"]!["model"] = name; })).map(({ code }) => code), name).toContain("TL_SPEC_UNKNOWN_REFERENCE");
      expect(faultsOf(pipeline(({ stages }) => { stages["sft"]!["kind"] = name; })).length, name).toBeGreaterThan(0);
      expect(faultsOf(pipeline(({ stages }) => { stages["ppo"]!["preset"] = name; })).length, name).toBeGreaterThan(0);
    }
  });

  it("are refused as members and change no prototype", () => {
    const text = JSON.stringify(pipeline()).replace("\"version\":1", "\"version\":1,\"__proto__\":{\"polluted\":1},\"constructor\":{\"prototype\":{\"polluted\":1}}");
    expect(faultsOf(text).map(({ code }) => code)).toContain("TL_SPEC_UNKNOWN_FIELD");
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    const tricks = JSON.stringify(pipeline()).replace("\"pretrainingData\":\"book\"", "\"pretrainingData\":\"book\",\"tricks\":{\"__proto__\":{\"klPenalty\":false},\"toString\":false}");
    expect(faultsOf(tricks).filter(({ code }) => code === "TL_SPEC_UNKNOWN_FIELD")).toHaveLength(2);
  });
});

describe("a name that would leave a folder", () => {
  it.each(["../x", "a/b", ".", "..", "a\u0000", "", "-a", "a b", "C:\\x"])("%j is no name of a pipeline or a stage", (name) => {
    expect(faultsOf(pipeline((spec) => { spec["name"] = name; })).map(({ field }) => field)).toContain("name");
    expect(faultsOf(pipeline(({ stages }) => { stages[name] = stages["eval"]!; })).length).toBeGreaterThan(0);
  });
});

it.each(["file:///etc/passwd", "javascript:alert(1)", "http://", "https://user:secret@host/", "http://host name/", "gopher://x", "https:///x y"])("%j is no address to notify", (url) => {
  const faults = faultsOf(pipeline((spec) => { spec["notify"] = [{ url }]; }));
  expect(faults.map(({ field }) => field)).toContain("notify.0.url");
});
