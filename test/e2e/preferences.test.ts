import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { z } from "zod";
import { entriesOf } from "../../store/chronicle.js";
import { Store } from "../../store/store.js";
import { Project, signalGroup } from "./program.js";

/** Two rounds of a policy learning from pairs of its own answers, and reward models of both rounds on each other's pairs. */
const spec = {
  version: 1, name: "rounds", seed: 5,
  data: {
    dialogues: { format: "prompt-completion", path: "dialogues.jsonl" },
    prompts: { format: "prompt-completion", path: "dialogues.jsonl", holdout: 0.3 },
  },
  models: { nano: { architecture: "llama", layers: 1, hidden: 16, heads: 2, context: 24, tokenizer: "letters" } },
  stages: {
    letters: { kind: "tokenizer", data: "dialogues", vocabulary: 261 },
    sft: { kind: "sft", model: "nano", data: "dialogues", maxSteps: 2, batch: 4 },
    first: {
      kind: "preferences", policy: "sft", prompts: "prompts", samples: 3, maxNewTokens: 6, batch: 1, checkpoint: { everySteps: 1 },
      reward: { module: "./reward.mjs" },
    },
    dpo: { kind: "dpo", policy: "sft", data: "first", maxSteps: 2, batch: 4 },
    second: { kind: "preferences", policy: "dpo", prompts: "prompts", samples: 2, maxNewTokens: 6, reward: "rm" },
    rm: { kind: "reward-model", model: "sft", data: ["first", { from: "first", weight: 2 }], maxSteps: 2, batch: 4 },
    rank: { kind: "reward-accuracy", reward: "rm", pairs: ["first", "second"] },
  },
};

const minutes = 60_000;
const projects: Project[] = [];
afterAll(() => Promise.all(projects.map((project) => project.remove())));

async function project(): Promise<Project> {
  const made = await Project.create();
  projects.push(made);
  await made.write("spec.json", spec);
  await writeFile(join(made.directory, "dialogues.jsonl"), Array.from({ length: 24 }, (_, index) => `{"prompt":"p${index}","completion":"yes"}\n`).join(""));
  await writeFile(join(made.directory, "reward.mjs"), "export const reward = (answers) => answers.map(({ answer }) => [...answer].reduce((sum, letter) => sum + letter.codePointAt(0) % 7, 0));\n");
  return made;
}

const outcome = z.object({ id: z.string(), state: z.string(), figures: z.record(z.string(), z.record(z.string(), z.number())), stages: z.array(z.object({ name: z.string(), artifact: z.string().optional() })) });
const artifactOf = (stage: string, stdout: string) => outcome.parse(JSON.parse(stdout)).stages.find(({ name, artifact }) => name === stage && artifact !== undefined)!.artifact;

it("pairs of a policy's answers train a policy and a reward model, whose pairs are made in turn; killed while it samples, a run ends with the same bytes", async () => {
  const [whole, killed] = [await project(), await project()];
  const { code, stdout, stderr } = await whole.run("run", "spec.json", "--json");
  expect(code, stderr).toBe(0);
  const { id, figures } = outcome.parse(JSON.parse(stdout));
  expect(Object.keys(figures["rank"]!)).toEqual(expect.arrayContaining(["rm/accuracy", "pairs/first/accuracy", "pairs/second/accuracy_high"]));
  expect(await whole.run("verify", id)).toMatchObject({ code: 0 });
  const started = entriesOf(await new Store(whole.home).ledger.read(id), "stage-started").find(({ event }) => event.stage === "dpo")!.event;
  expect(started.inputs["data"], "the ledger says whose pairs were read").toEqual([artifactOf("first", stdout)]);

  const running = killed.start("run", "spec.json");
  await killed.untilCheckpoint(1);
  signalGroup(running, "SIGKILL");
  await running.ended;
  const before = z.array(z.object({ id: z.string() })).parse(JSON.parse((await killed.run("runs", "--json")).stdout))[0]!.id;
  const resumed = await killed.run("resume", before, "--until", "first", "--json");
  expect(resumed.code, resumed.stderr).toBe(6);
  expect(artifactOf("first", resumed.stdout)).toBe(artifactOf("first", stdout));
}, 10 * minutes);
