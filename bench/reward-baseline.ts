import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readDataset } from "../data/dataset.js";
import type { Rows } from "../data/row-list.js";
import type { PairRow } from "../data/types.js";
import { readSpec } from "../planner/read-spec.js";
import { resolveDataFiles } from "../data/data-files.js";
import { peerPython } from "../test/peers/environment.js";

// usage: npm run bench:reward [-- SPEC DATA] : TF-IDF with logistic regression on the split that a spec's data entry makes.
const { positionals } = parseArgs({ allowPositionals: true });
const [specPath = "pipelines/hh-ppo-max.json", name = "hh"] = positionals;
const spec = await readSpec(specPath);
const entry = spec.data[name];
if (!entry) throw new Error(`${specPath} has no data entry "${name}"`);
const { files } = await resolveDataFiles(entry.path, { specDirectory: resolve(specPath, ".."), allowPaths: [] });
const { pairs } = await readDataset({ ...entry, name, path: name, files: files.map((path) => ({ path })) }, ["pairs"]);

const folder = mkdtempSync(join(tmpdir(), "trueline-baseline-"));
try {
  const answers = (rows: Rows<PairRow>) => Array.from(rows, ({ chosen, rejected }) => ({ chosen, rejected }));
  const file = join(folder, "pairs.json");
  writeFileSync(file, JSON.stringify({ train: answers(pairs.train), heldOut: answers(pairs.heldOut) }));
  const script = fileURLToPath(new URL("reward_baseline.py", import.meta.url));
  process.stdout.write(execFileSync(peerPython(), [script, file]));
} finally {
  rmSync(folder, { recursive: true });
}
