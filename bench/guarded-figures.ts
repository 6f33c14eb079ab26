/**
 * `tsx bench/guarded-figures.ts GUARDED UNGUARDED`: writes docs/guarded-vanilla.json, what pipelines/guarded-vanilla.json did in
 * the run GUARDED, and what its guards say of UNGUARDED, a run of the same stages and of PPO-max without them.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { guardsOf } from "../activities/reuse.js";
import { openStore } from "../cli/store.js";
import { parseMetrics } from "../schemas/report.js";
import { METRICS_FILE } from "../training/loop.js";
import { replay } from "../training/replay.js";
import type { GuardedFigures } from "../docs/guarded-figures.js";

const [guarded = "", unguarded = ""] = process.argv.slice(2);
const store = openStore();
const plan = await store.runs.plan(guarded);
const entries = (await store.ledger.read(guarded)).map(({ event }) => event);
const submitted = entries.find((event) => event.type === "run-submitted")!;
const stageNamed = (name: string) => plan.stages.find((stage) => stage.name === name)!;

const stopped = entries.flatMap((event) => {
  if (event.type !== "guard-breached") return [];
  const { stage, guard, step, metric, value, bound } = event;
  return [{ stage, seed: stageNamed(stage).seed, of: Number(stageNamed(stage).parameters["steps"]), guard, step, metric, value, bound }];
});

const guards = guardsOf(stageNamed(stopped[0]!.stage));
const others = (await store.runs.plan(unguarded)).stages.filter(({ kind }) => kind === "ppo");
const replayed = await Promise.all(others.map(async ({ name, key, seed }) => {
  const path = join(store.artifacts.directory((await store.results.find(key))!.artifact), METRICS_FILE);
  return { stage: name, seed, ...replay(guards, parseMetrics(await readFile(path, "utf8"), path)) };
}));

const environment = entries.flatMap((event) => (event.type === "stage-started" && event.environment !== undefined ? [event.environment] : [])).at(-1);
const figures: GuardedFigures = {
  spec: { path: "pipelines/guarded-vanilla.json", digest: submitted.specDigest }, versions: { ...submitted.versions, ...environment?.versions },
  guarded: { run: guarded, stopped: stopped.sort((a, b) => a.seed - b.seed) }, unguarded: { run: unguarded, stages: replayed },
};
await writeFile("docs/guarded-vanilla.json", `${JSON.stringify(figures, undefined, 1)}\n`);
