import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished, vi } from "vitest";
import { TruelineError } from "../../../foundation/errors.js";
import { moduleReward, type ModuleReward } from "../../../schemas/reward.js";
import { isAlive } from "../../../store/processes.js";
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
  ["setTimeout(() => { throw new Error('later'); }); return new Promise(() => {});", "TL_REWARD_FAILED", /ended by an error outside of its function, .*: Error: later \(reward\.mjs:1:/],
  ["Promise.reject(new Error('nobody waits')); return [1, 1, 1];", "TL_REWARD_FAILED", /ended by an error outside of its function, .*: Error: nobody waits/],
  ["process.exit(4);", "TL_REWARD_FAILED", /ended its thread with exit code 4/],
  ["process.kill(process.pid, 'SIGTERM'); return new Promise(() => {});", "TL_REWARD_FAILED", /had its process ended by SIGTERM/],
  ["process.kill(process.pid, 'SIGKILL'); return new Promise(() => {});", "TL_REWARD_FAILED", /had its process ended by SIGKILL/],
  ["parentPort.postMessage('done'); return [1, 1, 1];", "TL_REWARD_FAILED", /sent its parent a message of its own/],
  ["for (;;);", "TL_REWARD_TIMEOUT", /has not scored 3 answers within 0\.3 s/],
  ["return new Promise(() => {});", "TL_REWARD_TIMEOUT", /has not scored 3 answers within 0\.3 s/],
])("what ends the thread, or never ends, is an error, and stays one: %s", async (body, code, message) => {
  const score = await scorer(`import { parentPort } from "node:worker_threads"; ${reward(`if (answers.length > 1) { ${body} } return [1];`)}`, { timeLimit: code === "TL_REWARD_TIMEOUT" ? "0.3s" : "60s" });
  await expect(score(three)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  await expect(score([three[0]!])).rejects.toMatchObject({ code });
});

it.each(["held.push(new Array(1e5).fill({}))", "held.push(Buffer.alloc(1e6, 1))"])("one that fills the memory is ended, and this process is not: %s", async (body) => {
  const score = await scorer(reward(`const held = []; for (let times = 0; times < 4000; times++) ${body}; return new Promise(() => {});`), { memory: "64MB" });
  await expect(score(three)).rejects.toMatchObject({ code: "TL_REWARD_FAILED", message: expect.stringContaining("took more than 64MB of memory") });
});

it("one may have more heap than Node.js gives by itself", async () => {
  const score = await scorer(`import { getHeapStatistics } from "node:v8"; ${reward("return answers.map(() => getHeapStatistics().heap_size_limit);")}`, { memory: "40GB" });
  expect((await score(three))[0]).toBeGreaterThan(40e9);
});

it("of a flood of words the beginning is passed on, and it ends nothing", async () => {
  const errors = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  onTestFinished(() => errors.mockRestore());
  const score = await scorer(reward("for (let line = 0; line < 3e4; line++) console.log('x'.repeat(99)); return answers.map(() => 1);"));
  expect(await score(three)).toEqual([1, 1, 1]);
  await vi.waitFor(() => expect(errors.mock.calls.map(([text]) => String(text)).join("")).toContain("prints more than 1000000 bytes: the rest is left out"), 10_000);
  await score(three);
  expect(errors.mock.calls.reduce((bytes, [text]) => bytes + String(text).length, 0)).toBeLessThan(1_000_200);
});

it("one that never ends does not outlive a worker that was killed", async () => {
  const folder = await temporaryDirectory();
  await writeFile(join(folder, "reward.mjs"), `import { writeFileSync } from "node:fs"; export function reward() { writeFileSync(${JSON.stringify(join(folder, "pid"))}, String(process.pid)); for (;;); }`);
  const worker = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", `
    const { startModule } = await import(${JSON.stringify(fileURLToPath(new URL("../../../training/rewards/module.ts", import.meta.url)))});
    const score = await startModule({ files: { reward: { path: ${JSON.stringify(join(folder, "reward.mjs"))} } }, phase: () => {} }, { module: "reward.mjs", timeLimit: "600s", memory: "1GB" }, "reward");
    await score([]);
  `], { stdio: "inherit" });
  const pid = await vi.waitFor(async () => Number(await readFile(join(folder, "pid"), "utf8")), 60_000);
  const module = { pid, host: hostname(), started: "" };
  expect(isAlive(module)).toBe(true);
  worker.kill("SIGKILL");
  await vi.waitFor(() => expect(isAlive(module)).toBe(false), 10_000);
});

it("a worker that runs none says so, before it runs anything", async () => {
  await expect(scorer("process.exit(5);", {}, false)).rejects.toMatchObject({ code: "TL_REWARD_REFUSED" });
});
