import { describe, expect, it } from "vitest";
import { faultsOf, pipeline, type Members } from "./pipeline.js";

const faultsWith = (change: (spec: ReturnType<typeof pipeline>) => void) => faultsOf(pipeline(change)).map(({ field, code, message, hint }) => ({ place: `${field} ${code}`, message, hint }));
const inStage = (stage: string, members: Members) => faultsWith(({ stages }) => { Object.assign(stages[stage]!, members); });
const placesOf = (found: readonly { readonly place: string }[]) => found.map(({ place }) => place);
const server = { url: "https://scores.example" };

/** What stands in `reward` of the ppo stage, and the faults that this has, in the order of the text. */
const rewards: readonly (readonly [reward: unknown, ...faults: string[]])[] = [
  [{ modul: "./reward.mjs" }, ".module TL_SPEC_MISSING_FIELD", ".modul TL_SPEC_UNKNOWN_FIELD"],
  [{ ...server, timeot: "3s" }, ".timeot TL_SPEC_UNKNOWN_FIELD"],
  [{ url: 5, timeout: 3 }, ".url TL_SPEC_WRONG_TYPE", ".timeout TL_SPEC_WRONG_TYPE"],
  [{ module: 3, weight: "x" }, ".module TL_SPEC_WRONG_TYPE", ".weight TL_SPEC_UNKNOWN_FIELD"],
  [{ uri: "https://scores.example", batch: 2 }, ".url TL_SPEC_MISSING_FIELD", ".uri TL_SPEC_UNKNOWN_FIELD"],
  [{ judge: { ...server, modle: "m" } }, ".judge.model TL_SPEC_MISSING_FIELD", ".judge.modle TL_SPEC_UNKNOWN_FIELD"],
  [{ chat: { url: 5 } }, " TL_SPEC_WRONG_VALUE"],
  [{}, " TL_SPEC_WRONG_VALUE"],
  [{ normalize: { answers: 8 } }, " TL_SPEC_WRONG_VALUE"],
  [{ module: "./reward.mjs", ...server }, ".url TL_SPEC_CONFLICT"],
  [{ module: "./reward.mjs", normalize: { men: 0, std: 1 } }, ".normalize.mean TL_SPEC_MISSING_FIELD", ".normalize.men TL_SPEC_UNKNOWN_FIELD"],
  [{ module: "./reward.mjs", ...server, batch: 2 }, ".url TL_SPEC_CONFLICT"],
  [{ modul: "./reward.mjs", timeot: "3s" }, ".module TL_SPEC_MISSING_FIELD", ".modul TL_SPEC_UNKNOWN_FIELD", ".timeot TL_SPEC_UNKNOWN_FIELD"],
  [{ terms: ["rm"] }, ".combine TL_SPEC_MISSING_FIELD"],
  [[{ from: "rm", wieght: 2 }, { module: 5, weight: "3" }], ".0.wieght TL_SPEC_UNKNOWN_FIELD", ".1.module TL_SPEC_WRONG_TYPE", ".1.weight TL_SPEC_WRONG_TYPE"],
  [{ combine: "min", terms: [{ modul: "x" }, { ...server, wait: 3 }] }, ".terms.0.module TL_SPEC_MISSING_FIELD", ".terms.0.modul TL_SPEC_UNKNOWN_FIELD", ".terms.1.wait TL_SPEC_UNKNOWN_FIELD"],
  [{ combine: "sum", terms: [["rm"], { combine: "min", terms: ["rm"] }] }, ".terms.0 TL_SPEC_WRONG_TYPE", ".terms.1 TL_SPEC_WRONG_VALUE"],
];

describe("faults of a field that has several forms", () => {
  it.each(rewards)("are those of the form that was meant: %j", (reward, ...faults) => {
    expect(placesOf(inStage("ppo", { reward }))).toEqual(faults.map((fault) => `stages.ppo.reward${fault}`));
  });

  it("name the forms where none can be told, or two are", () => {
    const [none] = inStage("ppo", { reward: { chat: {} } });
    expect(none?.message).toBe("`reward` has none of the forms that it can have: it is an object of `chat`");
    for (const form of ["the name of a reward model", "{\"module\":", "{\"url\":", "{\"judge\":", "\"terms\":"]) expect(none?.hint).toContain(form);
    const [two] = inStage("ppo", { reward: { module: "./reward.mjs", ...server } });
    expect(two?.message).toBe("`reward` has `module` and `url`, which are two of its forms");
    expect(inStage("ppo", { guards: { g: { metric: "objective/kl", above: 1, then: { rollback: {} } } } }).map(({ hint }) => hint)).toContain("`rollback`: did you mean `rollBack`?");
  });

  it("say of terms that they don't nest, and which of them is at fault", () => {
    const nested = inStage("ppo", { reward: { combine: "sum", terms: [["rm"], { combine: "min", terms: ["rm"] }] } });
    expect(nested.map(({ message }) => message)).toEqual([
      "`terms[0]` is a list; it has to be text in quotes or an object", "`terms[1]` has none of the forms that it can have: it is an object of `combine`, `terms`",
    ]);
    for (const { hint } of nested) expect(hint).toContain("Terms don't nest");
  });

  it.each<readonly [Members, ...string[]]>([
    [{ answer: "a.jsonl" }, ".answers TL_SPEC_MISSING_FIELD", ".answer TL_SPEC_UNKNOWN_FIELD"],
    [{ chat: { url: 5, model: 3 } }, ".chat.url TL_SPEC_WRONG_TYPE", ".chat.model TL_SPEC_WRONG_TYPE"],
    [{ answers: "a.jsonl", chat: {} }, ".chat TL_SPEC_CONFLICT"],
    [{}, " TL_SPEC_WRONG_VALUE"],
  ])("of a baseline, too: %j", (baseline, ...faults) => {
    expect(placesOf(inStage("eval", { baseline }))).toEqual(faults.map((fault) => `stages.eval.baseline${fault}`));
  });

  it("of a model and of data in a list, too", () => {
    expect(placesOf(faultsWith(({ models }) => { models["tiny"] = { paht: "x" }; }))).toEqual(["models.tiny.path TL_SPEC_MISSING_FIELD", "models.tiny.paht TL_SPEC_UNKNOWN_FIELD"]);
    expect(placesOf(faultsWith(({ models }) => { models["tiny"] = { path: "x", layers: 2, hidden: 8 }; }))).toEqual(["models.tiny.layers TL_SPEC_UNKNOWN_FIELD", "models.tiny.hidden TL_SPEC_UNKNOWN_FIELD"]);
    const sized = placesOf(faultsWith(({ models }) => { Object.assign(models["tiny"]!, { architecture: "lama", heads: "2", layer: 2 }); }));
    expect(sized).toEqual(["models.tiny.architecture TL_SPEC_WRONG_VALUE", "models.tiny.heads TL_SPEC_WRONG_TYPE", "models.tiny.layer TL_SPEC_UNKNOWN_FIELD"]);
    expect(inStage("sft", { data: [{ from: "hh", wieght: 2 }, 5] }).map(({ message }) => message)).toEqual(["`wieght` is no field of `data[0]`", "`data[1]` is 5; it has to be text in quotes or an object"]);
  });

  it("have hints that fit: an address is not told about letters and dashes", () => {
    const hintsOf = (reward: unknown) => inStage("ppo", { reward }).map(({ hint }) => hint);
    expect(hintsOf({ url: "scores.example" })).toEqual(["write an address that begins with https:// or http://"]);
    expect(hintsOf({ module: "./reward.mjs", timeLimit: 7, memory: "lots" })).toEqual([expect.stringContaining("such as \"6h\""), expect.stringContaining("such as \"80GB\"")]);
    expect(hintsOf({ judge: {} })).toEqual([expect.stringContaining("an address"), expect.stringContaining("the model")]);
    expect(inStage("eval", { judges: "gold" }).map(({ hint }) => hint)).toEqual(["write [\"gold\"]"]);
  });
});
