import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { TruelineError } from "../../../foundation/errors.js";
import { moduleReward, type ModuleReward } from "../../../schemas/reward.js";
import { startModule } from "../../../training/rewards/module.js";
import type { TextScorer, WrittenAnswer } from "../../../training/rewards/reward.js";
import { temporaryDirectory, user } from "../support.js";

const answer = (text: string): WrittenAnswer => ({ prompt: [user("Why?")], answer: text, finished: true, tokens: text.length, tags: { language: "en" } });
const three = ["one", "three", "seven"].map(answer);

/** The scorer that a module's text makes. */
async function scorer(code: string, settings: Partial<ModuleReward> = {}, modules = true): Promise<TextScorer> {
  const path = join(await temporaryDirectory(), "reward.mjs");
  await writeFile(path, code);
  return startModule({
    files: { reward: { path } }, rights: { modules }, phase: () => {}, atEnd: (end) => onTestFinished(end),
  }, { ...moduleReward.parse({ module: "./reward.mjs" }), ...settings }, "reward");
}

const reward = (body: string): string => `export function reward(answers, { options }) { ${body} }`;
const lines = "return answers.map(({ answer }) => answer.length);";

it("a module gets prompt, answer, finished, tokens and tags, and its options; it gives a number an answer", async () => {
  const score = await scorer(reward("return answers.map((each) => JSON.stringify([each, options]).length);"), { options: { target: 3 } });
  expect(await score(three)).toEqual(three.map((each) => JSON.stringify([each, { target: 3 }]).length));
});

it("it may take its time, import what lies beside it, and give a typed array", async () => {
  const score = await scorer(`import { setTimeout } from "node:timers/promises"; export const reward = async (answers) => { await setTimeout(5); return Float32Array.from(answers, () => 0.5); };`);
  expect(await score(three)).toEqual([0.5, 0.5, 0.5]);
  expect(await score([])).toEqual([]);
});

it("what it writes goes to stderr", async () => {
  const [out, errors] = [vi.spyOn(process.stdout, "write"), vi.spyOn(process.stderr, "write").mockReturnValue(true)];
  onTestFinished(() => { out.mockRestore(); errors.mockRestore(); });
  await (await scorer(reward(`console.log("to be seen"); ${lines}`)))(three);
  await vi.waitFor(() => expect(errors.mock.calls.map(([text]) => String(text)).join("")).toContain("to be seen"));
  expect(out.mock.calls.map(([text]) => String(text)).join("")).not.toContain("to be seen");
});

it.each([
  ["export const reward = ;", "TL_REWARD_MODULE", /\.\/reward\.mjs can't be loaded: SyntaxError/],
  ["import './gone.mjs';", "TL_REWARD_MODULE", /can't be loaded: Error: Cannot find module/],
  ["export const score = 1; export default 2;", "TL_REWARD_MODULE", /has no function `reward`; it exports default, score/],
  ["process.exit(3);", "TL_REWARD_FAILED", /ended its thread with exit code 3/],
  ["await new Promise(() => {});", "TL_REWARD_FAILED", /ended its thread with exit code/],
])("a module that can't be had is an error: %s", async (code, wanted, message) => {
  await expect(scorer(code)).rejects.toMatchObject({ code: wanted, message: expect.stringMatching(message) });
});

it("what it does wrong names the module and the row, and ends nothing", async () => {
  const score = await scorer(reward("return new Function('answers', answers[0].tags.body)(answers);"));
  const wrong = async (body: string) => score(three.map((each) => ({ ...each, tags: { body } }))).then(() => "nothing", (error: unknown) => (error instanceof TruelineError ? `${error.code} ${error.message}` : String(error)));
  expect(await wrong("if (answers.some(({ answer }) => answer === 'three')) throw new TypeError('no luck'); return [1, 1, 1];"))
    .toMatch(/^TL_REWARD_FAILED The module \.\/reward\.mjs threw on row 2 of 3 \(the answer "three" to "Why\?"\): TypeError: no luck/);
  expect(await wrong("if (answers.length > 1) throw 'too many'; return [1];")).toMatch(/threw on 3 answers, though on none of them alone: 'too many'/);
  expect(await wrong("return [1, 2];")).toMatch(/^TL_REWARD_SCORES .* gave 2 scores for 3 answers; it has to give a list of as many numbers/);
  expect(await wrong("return 7;")).toMatch(/gave 7 for 3 answers/);
  expect(await wrong("return [1, 1e39, 3];")).toMatch(/^TL_REWARD_SCORES .* gave 1e\+39 for row 2 of 3/);
  expect(await wrong("return [1, NaN, 3];")).toMatch(/^TL_REWARD_SCORES .* gave NaN for row 2 of 3 \(the answer "three" to "Why\?"\); a score is a finite number/);
  expect(await wrong("return [1, 2, '3'];")).toMatch(/gave '3' for row 3/);
  expect(await wrong("return [1, 2, 1 / 0];")).toMatch(/gave Infinity for row 3/);
  expect(await wrong("return [1, 2, 3];")).toBe("nothing");
});

it("a message tells where in the module it threw", async () => {
  await expect((await scorer(`const twice = (n) => n.times(2);\n${reward("return answers.map(twice);")}`))(three)).rejects.toThrow(/n\.times is not a function \(reward\.mjs:1:\d+\)/);
});

it.each([
  ["setTimeout(() => { throw new Error('later'); }); return new Promise(() => {});", "TL_REWARD_FAILED", /ended by an error outside of its function: later/],
  ["process.exit(4);", "TL_REWARD_FAILED", /ended its thread with exit code 4/],
  ["for (;;);", "TL_REWARD_TIMEOUT", /has not scored 3 answers within 0\.3 s/],
  ["return new Promise(() => {});", "TL_REWARD_TIMEOUT", /has not scored 3 answers within 0\.3 s/],
])("what ends the thread, or never ends, is an error, and stays one: %s", async (body, code, message) => {
  const score = await scorer(reward(`if (answers.length > 1) { ${body} } return [1];`), { timeLimit: "0.3s" });
  await expect(score(three)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  await expect(score([three[0]!])).rejects.toMatchObject({ code });
});

it("one that fills the memory is ended, and this process is not", async () => {
  const score = await scorer(reward("const held = []; for (;;) held.push(new Array(1e5).fill({}));"), { memory: "64MB" });
  await expect(score(three)).rejects.toMatchObject({ code: "TL_REWARD_FAILED", message: expect.stringContaining("took more than 64MB of memory") });
});

it("a worker that runs none says so, before it runs anything", async () => {
  await expect(scorer("process.exit(5);", {}, false)).rejects.toMatchObject({ code: "TL_REWARD_REFUSED" });
});
