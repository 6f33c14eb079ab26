import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { z } from "zod";
import { Store } from "../../store/store.js";
import { Project, signalGroup } from "./program.js";

const minutes = 60_000;

/** Documents, answers and preferences of a few words, in files of the project's own, so that they can change. */
const words = ["lamp", "kite", "door", "moon", "fish", "tree", "road", "star"];
const files: Readonly<Record<string, readonly object[]>> = {
  "documents.jsonl": words.flatMap((word) => words.map((other) => ({ text: `the ${word} is by the ${other}` }))),
  "dialogues.jsonl": words.flatMap((word) => words.map((other) => ({ prompt: `where is the ${word} ${other}`, response: `by the ${other}` }))),
  "preferences.jsonl": words.flatMap((word) => words.map((other) => ({ prompt: `where is the ${word} ${other}`, chosen: `by the ${other}`, rejected: "no" }))),
  "prompts.jsonl": words.map((word) => ({ prompt: `where is the ${word}` })),
};

const rollouts = { policy: "sft", reward: "rm", prompts: "prompts", rollouts: 4, minibatch: 4, maxNewTokens: 6 };
const spec = {
  version: 1, name: "edited", seed: 5,
  data: {
    documents: { format: "text", path: "documents.jsonl" }, dialogues: { format: "dialogue", path: "dialogues.jsonl" },
    preferences: { format: "preference", path: "preferences.jsonl" }, prompts: { format: "prompt", path: "prompts.jsonl" },
  },
  models: { nano: { architecture: "llama", layers: 1, hidden: 16, heads: 2, context: 48, tokenizer: "bpe" } },
  stages: {
    bpe: { kind: "tokenizer", data: "documents", vocabulary: 280 },
    sft: { kind: "sft", model: "nano", data: "dialogues", epochs: 1, batch: 16 },
    rm: { kind: "reward-model", model: "sft", data: "preferences", batch: 16, normalizeOn: 16 },
    ppo: { kind: "ppo", critic: "rm", ...rollouts, preset: "vanilla", steps: 400, checkpoint: { everySteps: 2 } },
  },
};
const edit = { ...spec, stages: { ...spec.stages, ppo: { ...spec.stages.ppo, steps: 6, policyLearningRate: 1e-4 } } };

const preview = z.object({ token: z.string(), stages: z.array(z.object({ name: z.string(), fate: z.string(), secondsKept: z.number(), secondsLost: z.number() })) });

let project: Project;
beforeAll(async () => {
  project = await Project.create();
  for (const [name, rows] of Object.entries(files)) await writeFile(join(project.directory, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await project.write("spec.json", spec);
  await project.write("edited.json", edit);
}, 20 * minutes);
afterAll(() => project.remove());

it("goes on with an edited spec: what the edit leaves alone is kept, the policy is trained anew, and a token holds only while nothing changes", async () => {
  const running = project.start("run", "spec.json");
  const store = new Store(project.home);
  const id = await vi.waitFor(async () => {
    const [run = ""] = await readdir(join(project.home, "runs"));
    expect((await store.ledger.read(run)).some(({ event }) => event.type === "checkpoint-saved" && event.stage === "ppo")).toBe(true);
    return run;
  }, { timeout: 2 * minutes, interval: 100 }).finally(() => signalGroup(running, "SIGINT"));
  expect((await running.ended).code).toBe(1);
  const before = await store.ledger.read(id);

  const shown = async () => preview.parse(JSON.parse((await project.run("resume", id, "--spec", "edited.json", "--preview", "--json")).stdout));
  const { token, stages } = await shown();
  expect(stages.map(({ name, fate }) => `${name} ${fate}`)).toEqual(["bpe kept", "sft kept", "rm kept", "ppo anew"]);
  expect(stages[3]!.secondsLost).toBeGreaterThan(0);
  expect(stages[1]!.secondsKept).toBeGreaterThan(0);
  expect(await store.ledger.read(id), "a preview is no event").toEqual(before);

  const prompts = join(project.directory, "prompts.jsonl");
  const text = await readFile(prompts, "utf8");
  await writeFile(prompts, `${text}{"prompt":"where is the cat"}\n`);
  const refused = await project.run("resume", id, "--spec", "edited.json", "--token", token);
  expect(refused).toMatchObject({ code: 4, stderr: expect.stringMatching(/TL_RESUME_CHANGED.*prompts\.jsonl, the data entry "prompts"/) as string });
  expect(await store.ledger.read(id), "nor is a refusal").toEqual(before);

  await writeFile(prompts, text);
  const { code, stdout, stderr } = await project.run("resume", id, "--spec", "edited.json", "--token", token, "--json");
  expect(`${code} ${stderr}`).toMatch(/^0 /);
  expect(JSON.parse(stdout)).toMatchObject({ state: "finished", attempts: 2, stages: [{}, {}, {}, { name: "ppo", state: "finished" }] });
  const events = (await store.ledger.read(id)).slice(before.length).map(({ event }) => event);
  expect(events.filter((event) => event.type === "stage-started").map(({ stage }) => stage)).toEqual(["ppo"]);
  expect(events.find(({ type }) => type === "run-resumed")).toMatchObject({ plan: { changes: expect.arrayContaining(["steps of ppo changed from 400 to 6"]) as unknown } });

  await rm(prompts);
  expect(await project.run("resume", id, "--from", "ppo")).toMatchObject({ code: 4, stderr: expect.stringContaining("prompts.jsonl") as string });
  await writeFile(prompts, text);
  const weights = await project.weights();
  expect((await project.run("resume", id, "--from", "ppo", "--reason", "once more")).code).toBe(0);
  expect(await project.weights(), "the same settings give the same bytes").toEqual(weights);
  const types = (await store.ledger.read(id)).slice(before.length + events.length).map(({ event }) => event.type);
  expect(types.slice(0, 2)).toEqual(["stage-set-aside", "run-resumed"]);
  expect(types.filter((type) => type === "stage-finished"), "the policy alone").toHaveLength(1);

  const until = await project.run("resume", id, "--from", "rm", "--until", "rm", "--json");
  expect(until.code, "the run waits for somebody").toBe(6);
  expect(JSON.parse(until.stdout)).toMatchObject({ state: "paused", stages: [{}, {}, { name: "rm", state: "finished" }, { name: "ppo", state: "waiting" }] });
  expect(await project.run("resume", id)).toMatchObject({ code: 0, stdout: expect.stringContaining("finished, attempt 5") as string });
  expect(await project.weights()).toEqual(weights);

  await project.write("other.json", { ...spec, name: "other", stages: { ...spec.stages, bpe: { ...spec.stages.bpe, vocabulary: 290 } } });
  const first = await project.run("run", "other.json", "--until", "bpe", "--json");
  expect(`${first.code} ${first.stderr}`).toMatch(/^6 /);
  expect(JSON.parse(first.stdout)).toMatchObject({ state: "paused", stages: [{ name: "bpe", state: "finished" }, { name: "sft", state: "waiting" }, {}, {}] });
}, 8 * minutes);
