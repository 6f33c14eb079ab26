import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Project, signalGroup } from "./program.js";

const spec = {
  version: 1, name: "rewarded", seed: 5,
  data: { walks: { format: "prompt-completion", path: "walks.jsonl" } },
  models: { nano: { architecture: "llama", layers: 1, hidden: 32, heads: 2, context: 24, tokenizer: "letters" } },
  stages: {
    letters: { kind: "tokenizer", data: "walks", vocabulary: 261 },
    sft: { kind: "sft", model: "nano", data: "walks", maxSteps: 2, batch: 4 },
    ppo: {
      kind: "ppo", policy: "sft", critic: "sft", prompts: "walks", preset: "vanilla", steps: 2, rollouts: 8, minibatch: 4, maxNewTokens: 4,
      reward: { module: "./reward.mjs", options: { letter: "a" } },
    },
  },
};

const minutes = 60_000;
let project: Project;
beforeAll(async () => {
  project = await Project.create();
  await project.write("spec.json", spec);
  await writeFile(join(project.directory, "walks.jsonl"), ["b", "c", "d", "e"].map((prompt) => `{"prompt":"${prompt}","completion":"aaa"}\n`).join(""));
  await writeModule("console.log('to be seen'); return answers.map(({ answer }) => answer.split(options.letter).length - 1);");
}, minutes);
afterAll(() => project.remove());

const writeModule = (body: string) => writeFile(join(project.directory, "reward.mjs"), `export function reward(answers, { options }) { ${body} }\n`);

it("a module beside the spec rewards a run; what it prints is in the worker's log, and one that throws ends the run with its cause", async () => {
  const { code, stdout, stderr } = await project.run("run", "spec.json", "--json");
  expect(code, stderr).toBe(0);
  expect((JSON.parse(stdout) as { figures: { ppo: Record<string, number> } }).figures.ppo).toHaveProperty("objective/scores");
  const logs = await Promise.all((await readdir(join(project.home, "logs"))).map((name) => readFile(join(project.home, "logs", name), "utf8")));
  expect(logs.join("")).toContain("to be seen");

  await writeModule("return answers.map(() => NaN);");
  const plan = await project.run("plan", "spec.json");
  expect(plan.stdout).toContain("the content of reward.mjs changed");
  const failed = await project.run("run", "spec.json");
  expect(failed.code).toBe(1);
  expect(failed.stdout + failed.stderr).toMatch(/The module \.\/reward\.mjs gave NaN for row 1 of 8/);
}, 10 * minutes);

it("a worker that was started with --no-modules runs none", async () => {
  await writeModule("return answers.map(() => 2);");
  const started = [project.start("server"), project.start("worker", "--no-modules")];
  try {
    await until("a worker", async () => (await project.run("workers", "--json")).stdout.includes('"pid"'));
    const { code, stdout, stderr } = await project.run("submit", "spec.json");
    expect(code, stderr).toBe(0);
    await until("an end", async () => (await project.run("status", stdout.trim())).stdout.includes("failed"));
    expect((await project.run("history", stdout.trim())).stdout).toMatch(/TL_REWARD_REFUSED/);
  } finally {
    for (const running of started.reverse()) {
      signalGroup(running, "SIGTERM");
      await running.ended;
    }
  }
}, 10 * minutes);

async function until(what: string, isThere: () => Promise<boolean>): Promise<void> {
  for (let looks = 0; looks < 240; looks++) {
    if (await isThere()) return;
    await sleep(250);
  }
  throw new Error(`no ${what.replace(/^an? /, "")}`);
}
