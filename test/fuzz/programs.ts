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

/** A home with a run in it, for `resume --spec`. */
export async function fuzzHome(folder: string): Promise<string> {
  const store = new Store(join(folder, "home"));
  await store.runs.create(run, planOf(plannedStage("base")), "someone");
  await store.ledger.append(run, { type: "run-cancelled" });
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

/** The command lines that a spec is put to by its number: all read it, those that would run it only one that is faulty. */
export async function commandsFor(bases: readonly unknown[], seed: number, number: number, folder: string, resumes: boolean): Promise<{ words: string[]; allowed: number[] }> {
  const commands = [["validate"], ["validate", "--json"], ["plan"], ["run"], ...(resumes ? [["resume", run, "--spec"]] : [])];
  const words = commands[number % commands.length]!;
  const runs = words[0] === "run" || words[0] === "resume";
  const path = join(folder, `spec-${number}.json`);
  for (let draw = number; ; draw += 1_000_000) {
    const text = mutatedSpec(bases, seed, draw);
    if (runs && await outcomeOf(text, folder) === "plan") continue;
    await writeFile(path, text);
    const [command = "", ...more] = words;
    const [allowed, list] = [runs ? [5] : [0, 5], command === "resume" ? [command, ...more, path] : [command, path, ...more]];
    return { words: list, allowed };
  }
}
