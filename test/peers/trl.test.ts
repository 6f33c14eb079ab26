import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { z } from "zod";
import { startOnnxBackend } from "../../backends/onnx/index.js";
import { startTorchBackend } from "../../backends/torch/index.js";
import { differencesTable } from "../../docs/oracles-document.js";
import { compareTensors, type Comparison } from "../training/trl-agreement.js";
import { algorithmFacts, compareAlgorithms } from "../training/trl-algorithms.js";
import { needsPython, python, runScript } from "./python.js";
import { compareModels, oracleFacts } from "./trl-models.js";

/** The table of docs/oracles.md; written anew with `npm run peers -- --write-oracles`. */
const table = fileURLToPath(new URL("../../docs/oracles.json", import.meta.url));
const seeds = 32;

describe.skipIf(python === undefined)(`formulas beside TRL's${needsPython}`, () => {
  let root: string;
  let facts: z.output<typeof oracleFacts>;
  const found: Comparison[] = [];
  let agreed = 0;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "trueline-oracles-"));
    facts = oracleFacts.parse(JSON.parse(await runScript("trl_oracles.py", String(seeds), root)));
  }, 300_000);
  afterAll(async () => {
    await rm(root, { recursive: true, force: true });
    const all = { versions: facts.versions, seeds, models: facts.models.length, comparisons: found };
    process.stdout.write(`\n${differencesTable(all)}\n\n`);
    if (process.env.TRUELINE_WRITE_ORACLES !== undefined && agreed === 4) await writeFile(table, `${JSON.stringify(all, undefined, 2)}\n`);
  });

  const expectAgreement = (comparisons: readonly Comparison[]): void => {
    found.push(...comparisons);
    for (const { what, difference, tolerance = Infinity } of comparisons) expect(difference, what).toBeLessThan(tolerance);
    agreed++;
  };

  it("rewards, KL, advantages, losses and their gradients over random tensors of ragged rows", () => { expectAgreement(compareTensors(facts.tensors)); });

  it("advantages, losses and their gradients of RLOO, GRPO and DPO", async () => {
    expectAgreement(compareAlgorithms(algorithmFacts.parse(JSON.parse(await runScript("trl_algorithms.py", String(seeds)))).seeds));
  }, 300_000);

  it.each([
    ["embedded", () => startOnnxBackend({ threads: 1 })],
    ["torch", () => startTorchBackend({ python, threads: 1, device: "cpu" })],
  ] as const)("%s: losses of SFT, reward model and PPO over small models, and the first ratio", async (name, start) => {
    const backend = await start();
    try {
      expectAgreement(await compareModels(name, backend, facts));
    } finally {
      await backend.close();
    }
  }, 300_000);
});
