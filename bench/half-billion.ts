import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { z } from "zod";
import { trainBytePairs, writeTokenizer } from "../models/bpe.js";
import { initializeModel } from "../models/initialize.js";
import { parameterCount } from "../models/parameters.js";
import { scratchConfiguration } from "../models/scratch.js";
import { memoryOf } from "./process-memory.js";

// usage: npm run bench:half-billion [-- --backend onnx --stages sft]
// Makes a model of Qwen2-0.5B's shape with random weights, takes it through bench/half-billion.json, and writes seconds and peak memory of each
// stage into bench/half-billion-results.json.
const { values: options } = parseArgs({ options: { backend: { type: "string", default: "torch" }, stages: { type: "string", default: "sft,rm,ppo" } } });
const root = fileURLToPath(new URL("..", import.meta.url));
const resultsPath = join(root, "bench/half-billion-results.json");

const shape = {
  architecture: "qwen2", layers: 24, hidden: 896, heads: 14, keyValueHeads: 2, intermediate: 4864, context: 512, tiedEmbeddings: true, ropeTheta: 1e6,
} as const;
const vocabulary = 151936;

const specForm = z.looseObject({ stages: z.record(z.string(), z.looseObject({ resources: z.looseObject({}) })) });

const home = await mkdtemp(join(tmpdir(), "trueline-half-billion-"));
try {
  process.stderr.write(`Making the model in ${home}\n`);
  const directory = join(home, "half-billion");
  await mkdir(directory);
  const texts = await readFile(join(root, "data/sample/files/dialogues.jsonl"), "utf8");
  await writeTokenizer(directory, await trainBytePairs(texts.split("\n"), { vocabulary: 2000, isolateHan: false }));
  const configuration = scratchConfiguration(shape, { vocabulary, endTokens: [1], padToken: 0 });
  await initializeModel(directory, configuration, 1);

  const spec = specForm.parse(JSON.parse(await readFile(join(root, "bench/half-billion.json"), "utf8")));
  const asked = options.stages.split(",");
  spec.stages = Object.fromEntries(Object.entries(spec.stages).filter(([name]) => asked.includes(name)));
  for (const stage of Object.values(spec.stages)) stage.resources = { ...stage.resources, backend: options.backend };
  const before = z.record(z.string(), z.json()).parse(JSON.parse(await readFile(resultsPath, "utf8").catch(() => "{}")));
  const stages: Record<string, { seconds: number; peakGiB: number; anonymousGiB: number }> = {};
  const machine = {
    parameters: parameterCount(configuration, "language"), processor: cpus()[0]?.model ?? "unknown", cores: cpus().length, memoryGiB: round(totalmem() / 2 ** 30),
  };
  const names = Object.keys(spec.stages);
  for (const [index, stage] of names.entries()) {
    process.stderr.write(`${stage} on ${options.backend}\n`);
    // a run of its own for each stage, which reuses those before it
    const path = join(home, `${stage}.json`);
    await writeFile(path, JSON.stringify({ ...spec, stages: Object.fromEntries(names.slice(0, index + 1).map((name) => [name, spec.stages[name]])) }));
    const found = await run(["run", path]);
    stages[stage] = found;
    process.stderr.write(`${stage}: ${found.seconds} s, ${found.peakGiB} GiB\n`);
    await writeFile(resultsPath, `${JSON.stringify({ ...before, [options.backend]: { ...machine, stages } }, undefined, 2)}\n`);
  }
  process.stdout.write(`${JSON.stringify({ ...machine, stages })}\n`);
} finally {
  // the server that the program started takes a moment to end
  await rm(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 500 });
}

/** Runs the built program to its end; seconds include its start, and memory is that of all its processes together. */
async function run(parameters: readonly string[]): Promise<{ seconds: number; peakGiB: number; anonymousGiB: number }> {
  const start = performance.now();
  const child = spawn(process.execPath, [join(root, "dist/cli/main.js"), ...parameters], {
    cwd: root, stdio: ["ignore", 2, 2], env: { ...process.env, TRUELINE_HOME: join(home, "store") },
  });
  let [peak, anonymous] = [0, 0];
  const watch = setInterval(() => {
    const now = memoryOf(child.pid!);
    peak = Math.max(peak, now.resident);
    anonymous = Math.max(anonymous, now.anonymous);
  }, 250);
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  clearInterval(watch);
  if (code !== 0) throw new Error(`trueline ${parameters.join(" ")} ended with ${code}`);
  return { seconds: round((performance.now() - start) / 1000), peakGiB: round(peak / 2 ** 30), anonymousGiB: round(anonymous / 2 ** 30) };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
