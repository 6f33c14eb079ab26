import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { trainBytePairs, writeTokenizer } from "../../models/bpe.js";
import { texts } from "../models/agreement.js";
import { runScript } from "./python.js";

/** Writes anew the files in test/models/fixtures and test/training/fixtures, which ordinary tests compare to without Python. */
const fixtures = new URL("../models/fixtures/", import.meta.url).pathname;
const ours = await mkdtemp(join(tmpdir(), "trueline-ours-"));
await writeTokenizer(ours, await trainBytePairs(texts, { vocabulary: 320, isolateHan: true }));
for (const folder of ["models", "tokenizers"]) {
  await rm(join(fixtures, folder), { recursive: true, force: true });
  await mkdir(join(fixtures, folder), { recursive: true });
}
await runScript("model_fixtures.py", join(fixtures, "models"));
await runScript("tokenizer_fixtures.py", new URL("texts.json", import.meta.url).pathname, join(fixtures, "tokenizers"), ours);
await rm(ours, { recursive: true });
await writeFile(new URL("../training/fixtures/trl.json", import.meta.url), await runScript("trl_oracles.py", "4"));
await writeFile(new URL("../training/fixtures/trl-algorithms.json", import.meta.url), await runScript("trl_algorithms.py", "4"));
