import { describe, expect, it } from "vitest";
import { faultsOf, pipeline, type Members } from "./pipeline.js";

type Change = (spec: ReturnType<typeof pipeline>) => void;
const rewarded = (reward: unknown, more: Members = {}): Change => ({ stages }) => { Object.assign(stages["ppo"]!, { reward, ...more }); };
const swept = (sweep: Members): Change => (spec) => { rewarded({ url: "https://scores.example" })(spec); spec["sweep"] = sweep; };
const judging = (chat: Members): Change => ({ stages }) => { stages["eval"]!["judges"] = [{ name: "api", chat: { model: "m", ...chat } }]; };
const key = "hunter22";

/** Where a key stands, and the field at fault. */
const cases: readonly (readonly [name: string, change: Change, field: string])[] = [
  ["in `secret` of a reward", rewarded({ url: "https://scores.example", secret: key }), "stages.ppo.reward.secret"],
  ["in `secret` of a judge that is a term", rewarded(["rm", { judge: { url: "https://api.example/v1/chat/completions", model: "m", secret: key } }]), "stages.ppo.reward.1.judge.secret"],
  ["in `secret` of an evaluation's judge", judging({ url: "https://api.example/v1/chat/completions", secret: key }), "stages.eval.judges.0.chat.secret"],
  ["in `secret` of a baseline", ({ stages }) => { stages["eval"]!["baseline"] = { chat: { url: "https://api.example/v1/chat/completions", model: "m", secret: key } }; }, "stages.eval.baseline.chat.secret"],
  ["in `secret` of a webhook", (spec) => { spec["notify"] = [{ url: "https://hooks.example", secret: `whsec_${key}` }]; }, "notify.0.secret"],
  ["in a variant of a sweep", swept({ variants: { a: { "stages.ppo.reward.secret": key } } }), "sweep.variants.a.stages.ppo.reward.secret"],
  ["among an axis' values", swept({ axes: { a: { field: "stages.ppo.reward.secret", values: [key] } } }), "sweep.axes.a.values.0"],
  ["among an axis' values, by which copies are called", (spec) => { swept({ axes: { a: { field: "stages.ppo.reward.secret", values: [key] } } })(spec); spec.stages["ppo"]!["topP"] = 2; }, "sweep.axes.a.values.0"],
  ["in an address before its host", rewarded({ url: `https://me:${key}@scores.example` }), "stages.ppo.reward.url"],
  ["in an address of an axis, whose copies are not called by it", (spec) => { swept({ axes: { a: { field: "stages.ppo.reward.url", values: [`https://me:${key}@scores.example`] } } })(spec); spec.stages["ppo"]!["topP"] = 2; }, "sweep.axes.a.values.0"],
  ["in an address' parameters", judging({ url: `https://api.example/v1/chat/completions?key=${key}` }), "stages.eval.judges.0.chat.url"],
  ["in the address of a webhook", (spec) => { spec["notify"] = [{ url: `https://hooks.example/?token=${key}` }]; }, "notify.0.url"],
];

describe("a key in a spec", () => {
  it.each(cases)("is refused %s, and told nowhere", (_, change, field) => {
    const faults = faultsOf(pipeline(change));
    expect(faults.filter(({ code }) => code === "TL_SPEC_SECRET").map((fault) => fault.field)).toEqual([field]);
    expect(faults.find((fault) => fault.field === field)?.hint).toContain("environment variable");
    expect(JSON.stringify(faults)).not.toContain(key);
  });

  it.each<readonly [string, Change]>([
    ["beside another fault", rewarded({ url: "https://scores.example", secret: key, timeot: "3s" })],
    ["in a misspelt `secret`", rewarded({ url: "https://scores.example", secrt: key })],
    ["in a member of the user's own making", rewarded({ url: "https://scores.example", apiKey: key })],
    ["in a header", rewarded({ url: "https://scores.example", headers: { Authorization: `Bearer ${key}` } })],
    ["in an address that is none", rewarded({ url: `scores.example/?api_key=${key}` })],
    ["in a long address", rewarded({ url: `ftp://${"a".repeat(40)}.example/?token=${key}` })],
    ["in a text of which a message shows the beginning", rewarded("rm", { epochs: `https://${"m".repeat(43)}:${key}@scores.example` })],
    ["in a path", rewarded({ module: 3, options: `https://me:${key}@scores.example` })],
  ])("is not told %s", (_, change) => {
    const faults = faultsOf(pipeline(change));
    expect(faults.length).toBeGreaterThan(0);
    expect(JSON.stringify(faults)).not.toContain(key.slice(0, 4));
  });

  it("is not told where the text is no JSON", () => {
    const faults = faultsOf(`{\n  "secret": "${key}"\n  "url": "https://me:${key}@scores.example"\n}`);
    expect(faults.map(({ code }) => code)).toEqual(["TL_SPEC_SYNTAX"]);
    expect(faults[0]?.frame).toContain("\"secret\": \"********\"");
    expect(JSON.stringify(faults)).not.toContain(key);
  });

  it("is none where a variable is named: frames show its name, and hints lead to `secret`", () => {
    const named = { url: "https://scores.example/v1?model=m", secret: "TRUELINE_SECRET_API" };
    expect(faultsOf(pipeline(rewarded(named)))).toEqual([]);
    expect(faultsOf(pipeline((spec) => { spec["notify"] = [{ url: "https://hooks.example", secret: "TRUELINE_HOOK_SECRET" }]; }))).toEqual([]);
    expect(faultsOf(pipeline(rewarded({ ...named, bach: 1 })))[0]?.frame).toContain("TRUELINE_SECRET_API");
    expect(faultsOf(pipeline(rewarded({ url: named.url, apiKey: key })))[0]?.hint).toBe("name an environment variable that holds it in `secret`");
    expect(faultsOf(pipeline(rewarded({ ...named, secret: "AWS_SECRET_ACCESS_KEY" }))).map(({ code, message }) => [code, message])).toEqual([
      ["TL_SPEC_WRONG_VALUE", "`secret` names a variable that does not begin with TRUELINE_SECRET_: no spec may have others sent"],
    ]);
  });
});
