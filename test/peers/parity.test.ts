import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../../backends/backend.js";
import { startOnnxBackend } from "../../backends/onnx/index.js";
import { startTorchBackend } from "../../backends/torch/index.js";
import { type Facts, type Parity, makeFacts, parityOf, tolerances } from "./parity.js";
import { needsPython, python } from "./python.js";

/** The table of docs/models.md; written anew with `npm run peers -- --write-parity`. */
const table = fileURLToPath(new URL("../../docs/parity.json", import.meta.url));

describe.skipIf(python === undefined)(`model families beside transformers${needsPython}`, () => {
  let root: string;
  let facts: Facts;
  let backends: Readonly<Record<"embedded" | "torch", Backend>>;
  const found: Record<string, Record<string, Parity>> = {};
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "trueline-parity-"));
    facts = await makeFacts(root);
    backends = { embedded: await startOnnxBackend({ threads: 1 }), torch: await startTorchBackend({ python, threads: 1, device: "cpu" }) };
  }, 600_000);
  afterAll(async () => {
    await Promise.all(Object.values(backends).map((backend) => backend.close()));
    await rm(root, { recursive: true, force: true });
    if (process.env.TRUELINE_WRITE_PARITY === undefined) return;
    const { rows, versions } = facts;
    await writeFile(table, `${JSON.stringify({ versions, rows: rows.map(({ length }) => length), tolerances, families: found }, undefined, 2)}\n`);
  });

  it.each(["embedded", "torch"] as const)("%s: logits, scores, values, gradients, greedy answers and resumed bytes", async (name) => {
    for (const [family, fact] of Object.entries(facts.families)) {
      const parity = await parityOf(backends[name], facts.rows, fact);
      (found[family] ??= {})[name] = parity;
      for (const [quantity, tolerance] of Object.entries(tolerances)) {
        expect(parity[quantity as keyof typeof tolerances], `${family}: ${quantity}`).toBeLessThan(tolerance);
      }
      expect(parity, family).toMatchObject({ greedy: 1, resume: true });
    }
  }, 1_800_000);
});
