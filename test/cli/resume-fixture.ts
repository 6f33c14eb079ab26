import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { createOutput } from "../../cli/output.js";
import { sha256 } from "../../foundation/canonical.js";
import { createPlan } from "../../planner/plan.js";
import { Store } from "../../store/store.js";
import { observe } from "../../temporal/observe.js";
import { failedRun } from "../planner/finished.js";
import { hhRow, pipeline } from "../planner/pipeline.js";
import { trueline } from "./trueline.js";

/** The stages of the spec that the run "first" is of. */
export const all = ["bpe", "base", "sft", "rm", "critic", "ppo", "eval"];
export let folder: string;
export let store: Store;

/** Gives each test a folder with data and a home, which has the run "first": failed, with every stage's result. */
export function eachTestHasAFailedRun(): void {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "trueline-cli-resume-"));
    process.env["TRUELINE_HOME"] = join(folder, "home");
    store = new Store(join(folder, "home"));
    await writeFile(join(folder, "hh.jsonl"), hhRow);
    await writeFile(join(folder, "book.txt"), "a book\n");
    await failedRun(store, "first", await createPlan(await write("spec.json")), all);
  });
  afterEach(async () => {
    delete process.env["TRUELINE_HOME"];
    await rm(folder, { recursive: true });
  });
}

export async function write(name: string, change: Parameters<typeof pipeline>[0] = () => undefined): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, JSON.stringify(pipeline(change), undefined, 2));
  return path;
}

/** An edit of the spec: PPO for more steps. */
export const longer: Parameters<typeof pipeline>[0] = ({ stages }) => { stages["ppo"]!["steps"] = 100; };

/** Every file of the home with its bytes. */
export async function homeNow(): Promise<Record<string, string>> {
  const files = (await readdir(store.home, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return Object.fromEntries(await Promise.all(files.map(async ({ parentPath, name }) => [join(parentPath, name), sha256(await readFile(join(parentPath, name)))] as const)));
}

/** The token of what `resume first` with these words shows. */
export async function tokenFor(...words: readonly string[]): Promise<string> {
  return (JSON.parse((await trueline(["resume", "first", ...words, "--preview", "--json"])).stdout) as { token: string }).token;
}

const nowhere = { write: () => undefined };
export const output = createOutput(nowhere, nowhere, {});
export const observed = async () => observe(store, await store.runs.read("first"), undefined);
