import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { prepareReaders, readMutated } from "./readers.js";
import { commandFor, fuzzHome, programFault, treeDigest } from "./programs.js";
import { baseSpecs, mutatedSpec, outcomeOf, specFolder } from "./specs.js";

// npm run fuzz -- [--specs N] [--programs N] [--readings N] [--seed S] [--write]: mutated specs in this process, some through the built program,
// and mutated files through everything that reads files. Ends with 1 where one does what none may; --write keeps the figures in docs/fuzz.json.

/** One in this many specs has the files it names really looked for. */
const everyWithFiles = 10;

const { values } = parseArgs({
  options: {
    specs: { type: "string", default: "10000" }, programs: { type: "string", default: "200" }, readings: { type: "string", default: "200" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) }, write: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed);
console.error(`seed ${seed}`);
const folder = await mkdtemp(join(tmpdir(), "trueline-fuzz-"));
const faults: string[] = [];
const began = performance.now();
try {
  const bases = await baseSpecs();
  await specFolder(folder);
  const specs = { plans: 0, faults: 0, withFiles: 0 };
  for (let number = 0; number < Number(values.specs); number++) {
    const withFiles = number % everyWithFiles === 0;
    const outcome = await outcomeOf(mutatedSpec(bases, seed, number), withFiles ? folder : undefined);
    if (withFiles) specs.withFiles++;
    if (typeof outcome === "object") faults.push(`spec ${number} of seed ${seed}: ${outcome.wrong}`);
    else specs[outcome === "plan" ? "plans" : "faults"]++;
    if (number % 1000 === 999) console.error(`${number + 1} specs: ${specs.plans} plans, ${specs.faults} with faults`);
  }
  const readings: Record<string, { read: number; refused: number }> = {};
  const files = await mkdtemp(join(folder, "readers-"));
  for (const reader of await prepareReaders(files)) {
    const counts = readings[reader.name] = { read: 0, refused: 0 };
    for (let number = 0; number < Number(values.readings); number++) {
      const reading = await readMutated(reader, files, seed, number);
      if (typeof reading === "object") faults.push(`${reader.name} ${number} of seed ${seed}: ${reading.wrong}`);
      else counts[reading]++;
    }
    console.error(`${reader.name}: ${counts.read} read, ${counts.refused} refused`);
  }
  const home = await fuzzHome(folder, bases, seed);
  const before = await treeDigest(home);
  const programs: Record<string, number> = {};
  for (let number = 0; number < Number(values.programs); number++) {
    const { words, allowed } = await commandFor(bases, seed, number, folder);
    const fault = await programFault(words, home, allowed);
    if (fault !== undefined) faults.push(`program ${number} of seed ${seed}, ${words.join(" ")}: ${fault}`);
    programs[words[0]!] = (programs[words[0]!] ?? 0) + 1;
    if (number % 20 === 19) console.error(`${number + 1} programs`);
  }
  if (await treeDigest(home) !== before) faults.push("something was written into TRUELINE_HOME");
  const summary = { seed, specs, readings, programs, faults: faults.length, seconds: Math.round((performance.now() - began) / 1000) };
  console.log(JSON.stringify(summary, undefined, 1));
  if (values.write) await writeFile(fileURLToPath(new URL("../../docs/fuzz.json", import.meta.url)), `${JSON.stringify(summary, undefined, 1)}\n`);
  for (const fault of faults.slice(0, 20)) console.error(fault);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
