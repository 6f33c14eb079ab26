import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { readArtifacts, readData } from "../../activities/inputs.js";
import { sha256 } from "../../foundation/canonical.js";
import type { FileEntry, MadeEntry } from "../../schemas/plan.js";
import { readChronicles } from "../../store/chronicle.js";
import { traceArtifact } from "../../store/trace.js";
import { emptyStore, filled, plannedStage, planOf } from "../store/home.js";
import { computed, soundPlan, submitted } from "../store/life.js";

const row = (prompt: string, chosen: string) => JSON.stringify({ prompt, chosen, rejected: "no", score_chosen: 1, score_rejected: 0, tags: {} });
const files = { "train.jsonl": `${row("a", "yes a")}\n${row("a", "yes, a")}\n${row("b", "yes b")}\n`, "held-out.jsonl": `${row("c", "yes c")}\n`, "metrics.jsonl": "{}\n" };
const pairs = plannedStage("pairs", [], "preferences");
const made = { name: "pairs", format: "preference" as const, stage: "pairs" };

let store: ReturnType<typeof emptyStore>;
beforeEach(() => { store = emptyStore(); });

async function reader(entries: (FileEntry | MadeEntry)[], more: { readonly weights?: number[] } = {}) {
  const stage = { ...plannedStage("rm", ["pairs"], "reward-model"), inputs: { data: { from: "data" as const, use: "pairs" as const, entries, ...more } } };
  await store.runs.create("r", planOf(pairs, stage), "somebody");
  const { claim } = await store.claims.take(pairs.key, { run: "r", stage: "pairs", attempt: 1 });
  const artifact = await store.artifacts.publish(await filled(store, files), "preferences", { figures: {} });
  await store.results.publish(claim, { version: 1, key: pairs.key, artifact, type: "preferences", kind: "preferences", stage: "pairs", run: "r", finishedAt: "2026-01-01T00:00:00Z", seconds: 1, figures: {} });
  return { artifact, attempt: { store, scratch: store.home, pulse: { phase: () => undefined }, task: { run: "r", stage, artifacts: { pairs: artifact } } } };
}

it("a stage reads the pairs that another has made, on the sides that they were made for", async () => {
  const { attempt } = await reader([made]);
  const { data } = await readData(attempt);
  const chosen = (rows: Iterable<{ readonly chosen: string }>) => [...rows].map((each) => each.chosen);
  expect([chosen(data!.pairs.train), chosen(data!.pairs.heldOut)]).toEqual([["yes a", "yes, a", "yes b"], ["yes c"]]);
  expect(data!.counts).toEqual({ pairs: { rows: 4, bad: 0, train: 3, heldOut: 1, duplicates: 1 } });
  expect(await readArtifacts(attempt), "data are no artifact that a model is loaded from").toEqual({});
});

it("it reads them in a mixture with a data entry, by their weights", async () => {
  const path = join(store.home, "own.jsonl");
  await writeFile(path, `${row("d", "yes d")}\n`);
  const { attempt } = await reader([made, { name: "own", format: "preference", path, digest: sha256(`${row("d", "yes d")}\n`), holdout: 0, maxBadShare: 0 }], { weights: [2, 1] });
  const { data } = await readData(attempt);
  expect(data!.shares).toMatchObject([{ weight: 2, train: { pairs: 3 } }, { weight: 1, train: { pairs: 1 } }]);
  expect(data!.heldOutPairs).toEqual([{ entry: "pairs", count: 1 }, { entry: "own", count: 0 }]);
});

it("pairs with a flipped byte are found by their hash, and set aside", async () => {
  const { artifact, attempt } = await reader([made]);
  await writeFile(join(store.artifacts.directory(artifact), "train.jsonl"), files["train.jsonl"].replace("yes b", "yes B"));
  await expect(readData(attempt)).rejects.toMatchObject({ code: "TL_STORE_CORRUPT", message: expect.stringContaining("the bytes of train.jsonl have changed") as string });
  expect(await store.results.find(pairs.key)).toBeUndefined();
});

it("a trace goes back through pairs to the stage that made them, and tells them from files", async () => {
  const { attempt: { task: { stage } } } = await reader([{ name: "own", format: "preference", path: "/data/own.jsonl", digest: sha256("own"), holdout: 0, maxBadShare: 0 }, made]);
  const other = emptyStore();
  const plan = soundPlan("p", pairs, stage);
  await submitted(other, "one", plan);
  const first = await computed(other, "one", pairs, files);
  const second = await computed(other, "one", stage, { m: "rm" }, { data: [sha256("own"), first] });
  const { chronicles } = await readChronicles(other);
  const digests = await other.runs.planDigests("one");
  const { makings } = traceArtifact(second, chronicles.map((chronicle) => ({ ...chronicle, plans: new Map(digests.map((digest) => [digest, plan])) })));
  expect(makings.map((making) => making.stage)).toEqual(["rm", "pairs"]);
  expect(makings[0]!.inputs).toEqual([
    { input: "data", from: "file", name: "/data/own.jsonl", digest: sha256("own"), format: "preference" }, { input: "data", from: "stage", name: "pairs", digest: first },
  ]);
});
