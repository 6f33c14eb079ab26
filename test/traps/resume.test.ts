import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import type { LedgerEvent } from "../../schemas/events.js";
import { Store } from "../../store/store.js";
import { enterServer, leaveServer } from "../../temporal/embedded.js";
import { startWorker, type RunningWorker } from "../../temporal/worker.js";
import { trueline, type Ended } from "../cli/trueline.js";

/** A fan-out over two fine-tuned models, and a reward model behind one of them. */
const spec = {
  version: 1, name: "fan", seed: 5,
  data: {
    words: { format: "text", path: "words.txt" }, text: { format: "text", path: "text.txt" }, one: { format: "dialogue", path: "one.jsonl" }, two: { format: "dialogue", path: "two.jsonl" },
    pairs: { format: "preference", path: "pairs.jsonl" },
  },
  models: { nano: { architecture: "llama", layers: 1, hidden: 16, heads: 2, context: 48, tokenizer: "bpe" } },
  stages: {
    bpe: { kind: "tokenizer", data: "words", vocabulary: 270 },
    base: { kind: "pretrain", model: "nano", data: "text", steps: 2, batch: 2, length: 16 },
    one: { kind: "sft", model: "base", data: "one", epochs: 1, batch: 2 },
    two: { kind: "sft", model: "base", data: "two", epochs: 1, batch: 2 },
    rm: { kind: "reward-model", model: "two", data: "pairs", batch: 2, epochs: 1 },
  },
};
const names = Object.keys(spec.stages);

const rows = (letters: string, row: (prompt: string) => object) => letters.split("").map((prompt) => `${JSON.stringify(row(prompt))}\n`).join("");
const files: Readonly<Record<string, string>> = {
  "words.txt": "some words to learn\n", "text.txt": "some words to learn\nand a few more of them\n",
  "one.jsonl": rows("abcd", (prompt) => ({ prompt, response: "yes" })), "two.jsonl": rows("efgh", (prompt) => ({ prompt, response: "no" })),
  "pairs.jsonl": rows("abcd", (prompt) => ({ prompt, chosen: "yes", rejected: "no" })),
};

const runList = z.array(z.object({ id: z.string(), state: z.string() }));

/** The stages that an attempt computed, those it found done, and those that failed in it. */
function turns(events: readonly LedgerEvent[]) {
  const of = (type: LedgerEvent["type"]) => events.flatMap((event) => event.type === type && "stage" in event ? [event.stage] : []).sort();
  return { computed: of("stage-finished"), reused: of("stage-reused"), failed: of("stage-failed") };
}

describe("a run that fails twice and is resumed twice", () => {
  let folder: string;
  let store: Store;
  let worker: RunningWorker;
  let id: string;
  let attempts: LedgerEvent[][];
  let ended: Ended[];
  const path = (name: string) => join(folder, name);
  const restore = (name: string) => writeFile(path(name), files[name]!);
  const command = (...words: string[]) => trueline(words);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "trueline-traps-"));
    const server = await enterServer(path("server"), () => undefined);
    vi.stubEnv("TRUELINE_HOME", path("home"));
    vi.stubEnv("TEMPORAL_ADDRESS", `127.0.0.1:${server.port}`);
    store = new Store(path("home"));
    for (const name of Object.keys(files)) await restore(name);
    await writeFile(path("spec.json"), JSON.stringify(spec));

    // Nobody listens yet: the file changes after it has been planned with and before a stage reads it.
    id = z.object({ id: z.string() }).parse(JSON.parse((await command("submit", path("spec.json"), "--json")).stdout)).id;
    await writeFile(path("text.txt"), "other words\n");
    const address = { options: { address: `127.0.0.1:${server.port}` }, namespace: "default", embedded: false };
    worker = await startWorker(path("home"), address, { cpus: 2, gpus: 0, slots: 2 });
    ended = [await command("watch", id)];
    await restore("text.txt");
    const second = command("resume", id);
    // Here too: the stage that reads it has to wait for `base`.
    await vi.waitFor(async () => expect((await store.runs.read(id)).attempts).toBe(2), 120_000);
    await writeFile(path("two.jsonl"), files["one.jsonl"]!);
    ended.push(await second);
    await restore("two.jsonl");
    ended.push(await command("resume", id));

    attempts = [];
    for (const { event } of await store.ledger.read(id)) {
      if (event.type === "run-submitted" || event.type === "run-resumed") attempts.push([]);
      attempts.at(-1)!.push(event);
    }
  }, 300_000);

  afterAll(async () => {
    worker.stop();
    await worker.done;
    await leaveServer(path("server"));
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });

  it("is failed, not finished, as long as a stage is left that a failure before it kept from running [flyte#3578]", async () => {
    expect(ended.map(({ code }) => code)).toEqual([1, 1, 0]);
    expect(attempts.map((events) => events.at(-1)?.type)).toEqual(["run-failed", "run-failed", "run-finished"]);
    expect(attempts.map((events) => turns(events).computed.includes("rm"))).toEqual([false, false, true]);
  });

  it("runs the whole fan-out when it failed before the fan-out began [dagster#20925, dagster#30248]", () => {
    expect(turns(attempts[0]!)).toEqual({ computed: ["bpe"], reused: [], failed: ["base"] });
    expect(turns(attempts[1]!)).toEqual({ computed: ["base", "one"], reused: ["bpe"], failed: ["two"] });
  });

  it("starts again with the stage that failed, not with one before it [metaflow#1851]", () => {
    expect(turns(attempts[2]!).computed).toEqual(["rm", "two"]);
  });

  it("finds on its second resume what every attempt before it left, not only the last one [dagster#4087]", () => {
    expect(turns(attempts[2]!)).toEqual({ computed: ["rm", "two"], reused: ["base", "bpe", "one"], failed: [] });
    expect(attempts.flatMap((events) => turns(events).computed).sort(), "nothing is computed twice").toEqual([...names].sort());
  });

  it("stays one run with a ledger of its own, which another run of the same spec does not touch [metaflow#3229]", async () => {
    const entries = await store.ledger.read(id);
    expect(new Set(entries.map(({ run }) => run))).toEqual(new Set([id]));
    expect((await store.runs.read(id)).attempts).toBe(3);
    const again = z.object({ id: z.string(), state: z.string() }).parse(JSON.parse((await command("run", path("spec.json"), "--json")).stdout));
    expect(again.state).toBe("finished");
    expect(runList.parse(JSON.parse((await command("runs", "--json")).stdout)).map((run) => run.id)).toEqual([again.id, id]);
    expect((await store.ledger.read(again.id)).every(({ run }) => run === again.id)).toBe(true);
    expect(await store.ledger.read(id)).toEqual(entries);
    await expect(store.runs.create(id, await store.runs.plan(id), "someone")).rejects.toMatchObject({ code: "TL_RUN_EXISTS" });
    expect(await command("resume", id)).toMatchObject({ code: 0, stderr: expect.stringContaining("nothing to go on with") as string });
    expect((await store.ledger.read(id)).length).toBe(entries.length);
  });

  it("leaves results to other runs, those of stages that were tried again among them [argo#10426]", async () => {
    const { stdout, stderr } = await command("run", path("spec.json"), "--json");
    expect(stderr).toContain("Every stage has a result already");
    const { stages } = z.object({ stages: z.array(z.object({ name: z.string(), state: z.string(), from: z.string() })) }).parse(JSON.parse(stdout));
    expect(stages.map(({ name, state, from }) => [name, state, from])).toEqual(names.map((name) => [name, "reused", id]));
  });

  it("is named wherever a result of it is reused: in the plan, in the status and in the history of the other run [zenml-dashboard#822]", async () => {
    expect((await command("plan", path("spec.json"))).stdout).toMatch(new RegExp(`two +sft +reuse +finished in run ${id}, \\d{4}-`));
    const other = z.object({ id: z.string() }).parse(JSON.parse((await command("run", path("spec.json"), "--json")).stdout)).id;
    expect((await command("status", other)).stdout).toMatch(new RegExp(`two +sft +reused from ${id}`));
    expect((await command("history", other)).stdout).toContain(`two: result of run ${id} reused`);
  });

  it("is compared with another by what differs between them, and by nothing that is the same [mlflow#10477]", async () => {
    const edited = { ...spec, stages: { ...spec.stages, rm: { ...spec.stages.rm, learningRate: 0.002 } } };
    await writeFile(path("edited.json"), JSON.stringify(edited));
    const other = z.object({ id: z.string() }).parse(JSON.parse((await command("run", path("edited.json"), "--json")).stdout)).id;
    const { code, stdout } = await command("compare", id, other);
    expect(code).toBe(0);
    expect(stdout).toMatch(/learningRate.* +0\.0005 +0\.002/);
    expect(stdout).toContain("The same in both: bpe, base, one, two.");
    expect(stdout).not.toMatch(/epochs|vocabulary|batch|maxTokens/);
  });

  it("shows what a resume would do without submitting or writing anything [argo#12944]", async () => {
    const before = await store.ledger.read(id);
    const { code, stdout } = await command("resume", id, "--from", "two", "--preview");
    expect([code, stdout]).toEqual([0, expect.stringContaining("Nothing was changed")]);
    expect(await store.ledger.read(id)).toEqual(before);
    expect((await store.runs.read(id)).attempts).toBe(3);
  });

  it("starts again from the stage that it is told to, not from one before it [metaflow#1851]", async () => {
    const before = (await store.ledger.read(id)).length;
    expect((await command("resume", id, "--from", "two")).code).toBe(0);
    const events = (await store.ledger.read(id)).slice(before).map(({ event }) => event);
    expect(turns(events)).toEqual({ computed: ["rm", "two"], reused: ["base", "bpe", "one"], failed: [] });
  });
});
