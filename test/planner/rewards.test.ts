import { access, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { sha256 } from "../../foundation/canonical.js";
import { SpecError } from "../../planner/fault.js";
import { createPlan } from "../../planner/plan.js";
import type { PlannedStage } from "../../schemas/plan.js";
import { hhRow, pipeline, stageOf } from "./pipeline.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "trueline-rewards-"));
  await writeFile(join(folder, "hh.jsonl"), hhRow);
  await writeFile(join(folder, "book.txt"), "a book\n");
  await writeFile(join(folder, "reward.mjs"), "export const reward = (answers) => answers.map(() => 1);");
});
afterEach(() => rm(folder, { recursive: true }));

async function planWith(reward: unknown): Promise<PlannedStage> {
  const path = join(folder, "spec.json");
  await writeFile(path, JSON.stringify(pipeline(({ stages }) => { stages["ppo"]!["reward"] = reward; }), undefined, 2));
  return stageOf(await createPlan(path), "ppo");
}

async function faultsOf(reward: unknown): Promise<string[]> {
  const error: unknown = await planWith(reward).then(() => undefined, (caught: unknown) => caught);
  if (!(error instanceof SpecError)) throw new Error("no faults");
  return error.diagnostics.map(({ field, code, message }) => `${field} ${code} ${message}`);
}

it("a module is an input by its content, wherever it lies", async () => {
  const stage = await planWith({ module: "./reward.mjs" });
  expect(stage.inputs["reward"]).toEqual({ from: "file", path: join(folder, "reward.mjs"), digest: sha256("export const reward = (answers) => answers.map(() => 1);") });
  expect(stage.after).not.toContain("rm");
  await writeFile(join(folder, "same.mjs"), "export const reward = (answers) => answers.map(() => 1);");
  expect((await planWith({ module: "same.mjs" })).key).toBe(stage.key);
  await writeFile(join(folder, "other.mjs"), "export const reward = (answers) => answers.map(() => 2);");
  expect((await planWith({ module: "other.mjs" })).key).not.toBe(stage.key);
});

it("a key counts what decides the scores, and not how they are obtained", async () => {
  const key = async (reward: unknown): Promise<string> => (await planWith(reward)).key;
  const module = { module: "reward.mjs" };
  expect(await key({ ...module, timeLimit: "5s", memory: "2GB" })).toBe(await key(module));
  expect(await key({ ...module, options: { target: 3 } })).not.toBe(await key(module));
  const server = { url: "https://scores.example/v1" };
  expect(await key({ ...server, secret: "TRUELINE_SECRET_X", timeout: "5s", retries: 1, concurrency: 9, batch: 2 })).toBe(await key(server));
  expect(await key({ ...server, version: "2" })).not.toBe(await key(server));
  expect(await key({ url: "https://scores.example/v2" })).not.toBe(await key(server));
});

it("a list is a weighted sum: its models are inputs by their places, its modules by their content", async () => {
  const stage = await planWith([{ from: "rm", weight: 2 }, "rm", { module: "reward.mjs", name: "rule" }]);
  expect(Object.keys(stage.inputs)).toEqual(expect.arrayContaining(["reward.1", "reward.2", "reward.3"]));
  expect(stage.inputs["reward.1"]).toMatchObject({ from: "stage", stage: "rm" });
  expect(stage.inputs["reward.3"]).toMatchObject({ from: "file" });
  expect(stage.after).toContain("rm");
  const spelled = await planWith({ combine: "sum", terms: [{ from: "rm", weight: 2 }, { from: "rm", weight: 1 }, { module: "reward.mjs", name: "rule", timeLimit: "3s" }] });
  expect(spelled.key).toBe(stage.key);
  for (const other of [
    [{ from: "rm", weight: 3 }, "rm", { module: "reward.mjs", name: "rule" }], [{ from: "rm", weight: 2 }, { module: "reward.mjs", name: "rule" }],
    [{ from: "rm", weight: 2 }, "rm", { module: "reward.mjs", name: "other" }], { combine: "mean", terms: ["rm", "rm", { module: "reward.mjs", name: "rule" }] },
  ]) expect((await planWith(other)).key).not.toBe(stage.key);
});

it("a reward model that is named goes into the key as ever, by its name or in a list of one", async () => {
  const named = await planWith("rm");
  expect(named.keyParts["parameters"]).not.toHaveProperty("reward");
  expect((await planWith(["rm"])).key).not.toBe(named.key);
});

it("a judge counts by what it is asked, not by how", async () => {
  const judge = { url: "https://api.example/v1/chat/completions", model: "judge-1" };
  const key = async (more: object): Promise<string> => (await planWith({ judge: { ...judge, ...more } })).key;
  expect(await key({ secret: "TRUELINE_SECRET_X", concurrency: 9, timeout: "5s", retries: 0 })).toBe(await key({}));
  for (const more of [{ model: "judge-2" }, { rubric: "Be terse." }, { scale: { high: 5 } }, { temperature: 1 }, { unreadable: 1 }, { version: "2" }]) expect(await key(more)).not.toBe(await key({}));
});

it("a module is found as data is: neither `..`, nor links, nor absolute paths lead out", async () => {
  const outside = await mkdtemp(join(tmpdir(), "trueline-outside-"));
  try {
    await writeFile(join(outside, "reward.mjs"), "");
    await symlink(join(outside, "reward.mjs"), join(folder, "link.mjs"));
    for (const path of ["../reward.mjs", "link.mjs", join(outside, "reward.mjs")]) {
      expect(await faultsOf({ module: path }), path).toEqual([expect.stringMatching(/^stages\.ppo\.reward\.module TL_DATA_OUTSIDE/)]);
    }
    expect(await faultsOf({ module: "gone.mjs" })).toEqual([expect.stringMatching(/^stages\.ppo\.reward\.module TL_DATA_MISSING/)]);
  } finally {
    await rm(outside, { recursive: true });
  }
});

it.each([
  ["reward.ts", "export const reward = (answers: string[]) => answers.map(() => 1);", /^reward\.ts is no module that Node\.js imports/, /esbuild reward\.ts .* --outfile=reward\.mjs/],
  ["reward.py", "def reward(answers): return 1", /takes JavaScript, \.mjs, \.js or \.cjs/, /exports `reward`/],
  ["wrong.mjs", "// a comment\nexport const reward = (answers) => answers map;\n", /^wrong\.mjs can't be loaded: Unexpected identifier 'map' in line 2\.$/, /node --check/],
  ["wrong.cjs", "exports.reward = () => {\n", /^wrong\.cjs can't be loaded: Unexpected end of input in line 2\.$/, /node --check/],
])("a module that can't be loaded is a fault before its stage runs: %s", async (name, text, message, hint) => {
  await writeFile(join(folder, name), text);
  const path = join(folder, "spec.json");
  for (const [way, reward] of [["", { module: name }], [".1", ["rm", { module: name }]]] as const) {
    await writeFile(path, JSON.stringify(pipeline(({ stages }) => { stages["ppo"]!["reward"] = reward; }), undefined, 2));
    const error: unknown = await createPlan(path).catch((caught: unknown) => caught);
    if (!(error instanceof SpecError)) throw new Error("no faults");
    expect(error.diagnostics).toEqual([expect.objectContaining({ code: "TL_REWARD_MODULE", field: `stages.ppo.reward${way}.module`, message: expect.stringMatching(message), hint: expect.stringMatching(hint) })]);
  }
});

it("checking a module runs none of it, and modules of any name that Node.js imports pass", async () => {
  const mark = join(folder, "ran");
  for (const name of ["effect.mjs", "effect.cjs"]) {
    await writeFile(join(folder, name), `${name.endsWith(".cjs") ? "const { writeFileSync } = require('node:fs')" : "import { writeFileSync } from 'node:fs'"};\nwriteFileSync(${JSON.stringify(mark)}, "");\n`);
    expect((await planWith({ module: name })).inputs["reward"]).toMatchObject({ from: "file" });
  }
  await expect(access(mark)).rejects.toMatchObject({ code: "ENOENT" });
});

it.each([
  [{ modul: "./reward.mjs" }, /^stages\.ppo\.reward/],
  [{ module: "./reward.mjs", timelimit: "5s" }, /^stages\.ppo\.reward\.timelimit TL_SPEC_UNKNOWN_FIELD/],
  [{ module: "./reward.mjs", timeLimit: 5 }, /^stages\.ppo\.reward\.timeLimit TL_SPEC_WRONG_TYPE/],
  [{ url: "ftp://x" }, /^stages\.ppo\.reward\.url TL_SPEC_WRONG_VALUE/],
  [{ url: "https://user:pass@x.example/" }, /^stages\.ppo\.reward\.url TL_SPEC_SECRET/],
  [{ url: "https://x.example", secret: "AWS_SECRET_ACCESS_KEY" }, /^stages\.ppo\.reward\.secret TL_SPEC_WRONG_VALUE/],
  [["rm", "rmm"], /^stages\.ppo\.reward\.1 TL_SPEC_UNKNOWN_REFERENCE/],
  [{ combine: "min", terms: ["rm", { from: "sft" }] }, /^stages\.ppo\.reward\.terms\.1\.from TL_SPEC_WRONG_REFERENCE/],
  [[{ module: "gone.mjs" }], /^stages\.ppo\.reward\.0\.module TL_DATA_MISSING/],
  [{ combine: "min", terms: [{ from: "rm", weight: 2 }] }, /^stages\.ppo\.reward\.terms\.0\.weight TL_SPEC_CONFLICT/],
  [{ combine: "min", deviations: 2, terms: ["rm"] }, /^stages\.ppo\.reward\.deviations TL_SPEC_CONFLICT/],
  [[{ from: "rm", name: "a" }, { from: "rm", name: "a" }], /^stages\.ppo\.reward\.1\.name TL_SPEC_CONFLICT/],
  [{ judge: { url: "https://x.example/v1/chat/completions", model: "m", scale: { low: 5, high: 5 } } }, /^stages\.ppo\.reward\.judge\.scale TL_SPEC_CONFLICT/],
  [{ judge: { url: "https://x.example/v1/chat/completions", model: "m", prompt: "How good?" } }, /^stages\.ppo\.reward\.judge\.prompt TL_SPEC_CONFLICT/],
  [{ judge: { url: "https://x.example/v1/chat/completions", model: "m", unreadable: 11 } }, /^stages\.ppo\.reward\.judge\.unreadable TL_SPEC_CONFLICT/],
  [{ judge: { url: "https://api.example/v1", model: "m" } }, /^stages\.ppo\.reward\.judge\.url TL_SPEC_WRONG_VALUE/],
  [{ judge: { url: "https://api.example/", model: "m" } }, /^stages\.ppo\.reward\.judge\.url TL_SPEC_WRONG_VALUE/],
  [[], /^stages\.ppo\.reward TL_SPEC_WRONG_VALUE/],
  ["rmm", /^stages\.ppo\.reward TL_SPEC_UNKNOWN_REFERENCE/],
  [7, /^stages\.ppo\.reward TL_SPEC_WRONG_TYPE/],
])("what can't be a reward is a fault with its place: %j", async (reward, fault) => {
  expect(await faultsOf(reward)).toContainEqual(expect.stringMatching(fault));
});
