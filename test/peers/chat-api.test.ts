import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { reportSchema } from "../../schemas/report.js";
import { freePort } from "../../temporal/free-port.js";
import { Project, tiny } from "../e2e/program.js";
import { needsPython, python } from "./python.js";

const SERVING = 120_000;

const answer = z.object({ text: z.string() });
const rowSchema = z.object({ candidate: z.union([answer.transform((one) => [one]), z.array(answer)]), baseline: z.array(answer) });
const runSchema = z.object({ id: z.string(), stages: z.array(z.object({ directory: z.string().optional() })) });

/** A model that speaks, after seconds of training. */
const training = {
  ...tiny, name: "spoken",
  models: { nano: { ...tiny.models.nano, layers: 2, hidden: 64, context: 128 } },
  data: { ...tiny.data, dialogues: { format: "dialogue", path: "sample/dialogues.jsonl", holdout: 0.1 } },
  stages: {
    bpe: tiny.stages.bpe, base: { ...tiny.stages.base, steps: 300, batch: 8, learningRate: 3e-3 },
    sft: { kind: "sft", model: "base", data: "dialogues", batch: 16, maxSteps: 250, learningRate: 3e-3 },
  },
};

describe.skipIf(python === undefined)(`a server of transformers behind the OpenAI API${needsPython}`, () => {
  let project: Project;
  let server: ChildProcess;
  let url: string;

  const run = async (name: string): Promise<z.output<typeof runSchema>> => {
    const { code, stdout, stderr } = await project.run("run", name, "--json");
    expect(code, stderr + stdout).toBe(0);
    return runSchema.parse(JSON.parse(stdout));
  };

  beforeAll(async () => {
    project = await Project.create();
    await project.write("spoken.json", training);
    const { id } = await run("spoken.json");
    await project.run("export", id, "sft", "sft-model");
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    server = spawn(python!, ["-m", "transformers.cli.transformers", "serve", join(project.directory, "sft-model"), "--host", "127.0.0.1", "--port", String(port), "--device", "cpu"], {
      stdio: "ignore", env: { ...process.env, HF_HUB_OFFLINE: "1", TRANSFORMERS_OFFLINE: "1" },
    });
    for (const end = Date.now() + SERVING; ;) {
      if (await fetch(`${url}/health`).then(({ ok }) => ok, () => false)) break;
      if (Date.now() > end || server.exitCode !== null) throw new Error("transformers serve does not listen: are fastapi and uvicorn there?");
      await sleep(500);
    }
  }, 2 * SERVING);
  afterAll(async () => {
    if (server?.exitCode === null && server.kill()) await once(server, "exit");
    await project?.remove();
  });

  it("answers as the baseline with the very words that the model has here, and its useless verdicts are ties", async () => {
    const chat = { url: `${url}/v1/chat/completions`, model: join(project.directory, "sft-model") };
    await project.write("judged.json", {
      version: 1, name: "judged", seed: 5,
      data: { prompts: { format: "prompt", path: "sample/prompts.jsonl", holdout: 0.1 } },
      models: { sft: { path: "sft-model" } },
      stages: {
        eval: {
          kind: "evaluate", candidate: "sft", baseline: { chat }, prompts: "prompts", maxPrompts: 12, baselineSamples: 1, temperature: 0, maxNewTokens: 24, gold: "sample",
          judges: ["gold", { name: "babbler", chat: { ...chat, attempts: 1 } }],
        },
      },
    });
    const { stages } = await run("judged.json");
    const artifact = stages.at(-1)!.directory!;
    const rows = (await readFile(join(artifact, "answers.jsonl"), "utf8")).trim().split("\n").map((line) => rowSchema.parse(JSON.parse(line)));
    expect(rows).toHaveLength(12);
    expect(new Set(rows.map(({ candidate }) => candidate[0]!.text)).size).toBeGreaterThan(3);
    expect(rows.map(({ baseline }) => baseline[0]!.text)).toEqual(rows.map(({ candidate }) => candidate[0]!.text));
    const { judges } = reportSchema.parse(JSON.parse(await readFile(join(artifact, "report.json"), "utf8")));
    const babbler = judges!.tables.find(({ judge }) => judge === "babbler")!;
    expect(babbler.orders).toMatchObject({ questions: 24, unread: 24 });
    expect(babbler.groups[0]).toMatchObject({ prompts: 12, win: { value: 0 }, tie: { value: 1 }, lose: { value: 0 } });
  }, SERVING);
});
