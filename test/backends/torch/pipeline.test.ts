import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Project, signalGroup } from "../../e2e/program.js";
import { describeWithPython } from "./python.js";

const steps = 40;
const spec = (resources: Readonly<Record<string, unknown>>) => ({
  version: 1, name: "tiny", seed: 5,
  data: { documents: { format: "text", path: "sample/documents.jsonl.gz", holdout: 0.1 } },
  models: { nano: { architecture: "llama", layers: 1, hidden: 32, heads: 2, context: 64, tokenizer: "bpe" } },
  stages: {
    bpe: { kind: "tokenizer", data: "documents", vocabulary: 320 },
    base: { kind: "pretrain", model: "nano", data: "documents", steps, batch: 4, length: 32, learningRate: 1e-3, checkpoint: { everySteps: 10 }, resources },
  },
});

const minutes = 60_000;
const projects: Project[] = [];

async function project(resources: Readonly<Record<string, unknown>>): Promise<Project> {
  const made = await Project.create();
  projects.push(made);
  await made.write("tiny.json", spec(resources));
  return made;
}

/** The losses of the one model in a project's store. */
async function curve({ home }: Project): Promise<readonly number[]> {
  const folder = join(home, "artifacts");
  const [digest] = (await readdir(folder)).filter((name) => existsSync(join(folder, name, "model.safetensors")));
  const lines = (await readFile(join(folder, digest!, "metrics.jsonl"), "utf8")).trimEnd().split("\n");
  return lines.map((line) => (JSON.parse(line) as { readonly "loss/lm": number })["loss/lm"]);
}

describeWithPython("a stage on the torch backend", () => {
  let embedded: readonly number[];

  beforeAll(async () => {
    const made = await project({});
    expect((await made.run("run", "tiny.json")).code).toBe(0);
    embedded = await curve(made);
  }, 5 * minutes);
  afterAll(() => Promise.all(projects.map((made) => made.remove())));

  const expectSameCurve = (found: readonly number[]): void => {
    expect(embedded).toHaveLength(steps);
    expect(found).toHaveLength(steps);
    found.forEach((loss, step) => expect(Math.abs(loss - embedded[step]!), `loss at step ${step + 1}`).toBeLessThanOrEqual(1e-4 * embedded[step]!));
  };

  it("follows the embedded backend's curve, killed on the way and run again", async () => {
    const made = await project({ backend: "torch", processes: 2 });
    const running = made.start("run", "tiny.json");
    await expect.poll(() => made.untilCheckpoint(10).then(() => "saved", () => "waiting"), { timeout: 4 * minutes }).toBe("saved");
    signalGroup(running, "SIGKILL");
    await running.ended;
    const again = await made.run("run", "tiny.json");
    expect(again.code, again.stderr).toBe(0);
    expectSameCurve(await curve(made));
  }, 10 * minutes);

  it("takes what the embedded backend left as its own, because the key is the same", async () => {
    const [made] = projects;
    await made!.write("torch.json", spec({ backend: "torch" }));
    const { code, stderr } = await made!.run("run", "torch.json");
    expect(code).toBe(0);
    expect(stderr).not.toContain("base: training");
  }, 2 * minutes);
});
