import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Store } from "../../store/store.js";
import { planOf, plannedStage } from "../store/home.js";
import { mutatedSpec, outcomeOf } from "./specs.js";

const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const run = "fuzz-20260101-abcdef";
const patienceMilliseconds = 10_000;

/** Runs whose frozen plans hold mutated specs, for `compare`. */
const specRuns = 20;
const specRun = (number: number): string => `fuzz-20260102-${"abcdefghjkmnpqrstuvw"[number]!.repeat(6)}`;

/** A home with a run in it, for `resume --spec`, and those with mutated specs. */
export async function fuzzHome(folder: string, bases: readonly unknown[], seed: number): Promise<string> {
  const store = new Store(join(folder, "home"));
  const plan = planOf(plannedStage("base"));
  const made = Array.from({ length: specRuns }, (_, number) => [specRun(number), { ...plan, spec: mutatedSpec(bases, seed, number) }] as const);
  for (const [id, written] of [[run, plan] as const, ...made]) {
    await store.runs.create(id, written, "someone");
    await store.ledger.append(id, { type: "run-cancelled" });
  }
  await mkdir(join(store.home, "logs"));
  return store.home;
}

/** SHA-256 over every name and byte under a folder. */
export async function treeDigest(folder: string): Promise<string> {
  const hash = createHash("sha256");
  const visit = async (path: string): Promise<void> => {
    for (const entry of (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const at = join(path, entry.name);
      hash.update(`${at}\0`);
      if (entry.isDirectory()) await visit(at);
      else hash.update(await readFile(at));
    }
  };
  await visit(folder);
  return hash.digest("hex");
}

/** Runs the built program on a spec, with a Temporal address at which nobody is, and says in words what may not be; else undefined. */
export async function programFault(words: readonly string[], home: string, allowed: readonly number[]): Promise<string | undefined> {
  const child = spawn(process.execPath, [program, ...words], {
    env: { ...process.env, TRUELINE_HOME: home, TEMPORAL_ADDRESS: "127.0.0.1:1", NO_COLOR: "1" }, stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => { said += chunk.toString(); });
  const timer = setTimeout(() => child.kill("SIGKILL"), patienceMilliseconds * slowness());
  const { code, signal } = await new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("close", (exit, killed) => resolve({ code: exit, signal: killed }));
  });
  clearTimeout(timer);
  if (signal !== null) return `ended by ${signal}: ${said.slice(-300)}`;
  if (!allowed.includes(code ?? -1)) return `exit ${code}: ${said.slice(-300)}`;
  if (/TL_INTERNAL|\n\s+at .*:\d+:\d+/.test(said)) return `an error that nobody expected: ${said.slice(-300)}`;
  return code === 5 && !said.includes("TL_") ? "exit 5 without a diagnostic" : undefined;
}

/** How much longer than on an idle machine things take here; set by whoever shares the machine. */
const slowness = (): number => Number(process.env["TRUELINE_FUZZ_SLOWNESS"] ?? 1);

/** A command line made of a spec's path, and with what it may end. What would run the spec gets only one that is faulty. */
interface Command {
  readonly words: (spec: string, number: number) => string[];
  readonly allowed: readonly number[];
  readonly runs?: boolean;
}

const commands: readonly Command[] = [
  { words: (spec) => ["validate", spec], allowed: [0, 5] },
  { words: (spec) => ["validate", spec, "--json"], allowed: [0, 5] },
  { words: (spec) => ["plan", spec], allowed: [0, 5] },
  { words: (spec) => ["plan", spec, "--against", run], allowed: [0, 5] },
  // Nothing that the run has recorded is of a stage that the spec guards: not there.
  { words: (spec) => ["check-guards", spec, run], allowed: [3, 5] },
  { words: (_, number) => ["compare", run, specRun(number % specRuns), "--all"], allowed: [0] },
  { words: (_, number) => ["compare", specRun(number % specRuns), specRun((number + 1) % specRuns), "--json"], allowed: [0] },
  { words: (spec) => ["run", spec], allowed: [5], runs: true },
  { words: (spec) => ["submit", spec], allowed: [5], runs: true },
  { words: (spec) => ["resume", run, "--spec", spec], allowed: [5], runs: true },
];

/** The command line that a number stands for, with the mutated spec written where it names it. */
export async function commandFor(bases: readonly unknown[], seed: number, number: number, folder: string): Promise<{ words: string[]; allowed: readonly number[] }> {
  const { words, allowed, runs = false } = commands[number % commands.length]!;
  const path = join(folder, `spec-${number}.json`);
  let text = mutatedSpec(bases, seed, number);
  for (let draw = number + 1_000_000; runs && await outcomeOf(text, folder) === "plan"; draw += 1_000_000) text = mutatedSpec(bases, seed, draw);
  await writeFile(path, text);
  return { words: words(path, number), allowed };
}
