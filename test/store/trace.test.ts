import { beforeEach, describe, expect, it } from "vitest";
import type { PlannedStage } from "../../schemas/plan.js";
import { readChronicles } from "../../store/chronicle.js";
import type { Store } from "../../store/store.js";
import { traceArtifact, type Trace } from "../../store/trace.js";
import { emptyStore, keyOf, plannedStage } from "./home.js";
import { checkpointed, computed, ended, finished, reused, soundPlan, started, submitted } from "./life.js";

const entry = { name: "hh", format: "hh-rlhf" as const, path: "/data/hh.jsonl", digest: keyOf("hh"), holdout: 0.1, maxBadShare: 0 };
const fromStage = (stage: string) => ({ from: "stage" as const, stage, type: "language-model" });
const base: PlannedStage = { ...plannedStage("base"), inputs: { data: { from: "data", use: "text", entries: [entry] } } };
const sft: PlannedStage = { ...plannedStage("sft", ["base"], "sft"), parameters: { epochs: 2 }, inputs: { model: fromStage("base") } };
const judge: PlannedStage = { ...plannedStage("eval", ["sft", "base"], "evaluate"), inputs: { candidate: fromStage("sft"), baseline: fromStage("base") } };

async function trace(store: Store, artifact: string): Promise<Trace> {
  const { chronicles } = await readChronicles(store);
  return traceArtifact(artifact, await Promise.all(chronicles.map(async (chronicle) => {
    const digests = await store.runs.planDigests(chronicle.run);
    return { ...chronicle, plans: new Map(await Promise.all(digests.map(async (digest) => [digest, await store.runs.plan(chronicle.run, digest)] as const))) };
  })));
}

describe("a trace", () => {
  let store: Store;
  let made: Readonly<Record<"base" | "sft" | "eval", string>>;

  beforeEach(async () => {
    store = emptyStore();
    await submitted(store, "one", soundPlan("p", base, sft, judge));
    const first = await computed(store, "one", base, { m: "base" }, { data: [entry.digest] });
    await store.ledger.append("one", { type: "pause-requested", actor: "bob@host", reason: "night" });
    await started(store, "one", sft, { model: [first] });
    await store.ledger.append("one", { type: "stage-stopped", stage: "sft", key: sft.key, cause: "paused" });
    await store.ledger.append("one", { type: "run-resumed", attempt: 2, actor: "ada@host", reason: "morning", versions: {}, found: "paused" });
    await store.ledger.append("one", { type: "approval-answered", gate: "before:sft", stage: "sft", decision: "approved", actor: "eve@host", reason: "looks good" });
    const claim = await started(store, "one", sft, { model: [first] });
    await checkpointed(store, claim, 5);
    const second = await finished(store, claim, "sft", { m: "sft" });
    made = { base: first, sft: second, eval: await computed(store, "one", judge, { r: "report" }, { candidate: [second], baseline: [first] }) };
    await ended(store, "one", "run-finished");
    await submitted(store, "two", soundPlan("p", base));
    await reused(store, "two", base);
  });

  it("goes back through every stage to data, spec, attempts and decisions, each once", async () => {
    const { makings, runs } = await trace(store, made.eval);
    expect(makings.map(({ run, stage }) => `${run}/${stage}`)).toEqual(["one/eval", "one/sft", "one/base"]);
    const [, tuned, root] = makings;
    expect(tuned).toMatchObject({ kind: "sft", parameters: { epochs: 2 }, seed: 1, checkpoints: 1, plan: { specPath: "/spec.json" }, inputs: [{ from: "stage", name: "base", digest: made.base }] });
    expect(tuned!.attempts).toHaveLength(2);
    expect(tuned!.decisions.map(({ event }) => event)).toMatchObject([{ type: "stage-stopped", cause: "paused" }, { type: "approval-answered", actor: "eve@host", reason: "looks good" }]);
    expect(root!.inputs).toEqual([{ input: "data", from: "file", name: "/data/hh.jsonl", digest: entry.digest, format: "hh-rlhf" }]);
    expect(runs).toMatchObject([{ run: "one", decisions: [
      { event: { type: "run-submitted", actor: "ada@host" } }, { event: { type: "pause-requested", reason: "night" } }, { event: { type: "run-resumed", reason: "morning" } },
    ] }]);
  });

  it("tells a stage that was made twice apart, and why it was made anew", async () => {
    await store.ledger.append("one", { type: "stage-set-aside", stage: "sft", key: sft.key, artifact: made.sft, actor: "ada@host", reason: "another try" });
    const again = await finished(store, await started(store, "one", sft, { model: [made.base] }), "sft", { m: "sft again" });
    const [second] = (await trace(store, again)).makings;
    expect(second!.attempts).toHaveLength(1);
    expect(second!.decisions.map(({ event }) => event)).toMatchObject([{ type: "stage-set-aside", actor: "ada@host", reason: "another try" }]);
    expect((await trace(store, made.sft)).makings[0]!.attempts).toHaveLength(2);
  });

  it("goes forward to what read it, what came of that with its figures, and who reused it", async () => {
    const further = plannedStage("further", [], "sft");
    await submitted(store, "three", soundPlan("p", further));
    await started(store, "three", further, { model: [made.sft] });
    const { uses } = await trace(store, made.base);
    expect(uses.map(({ how, run, stage }) => `${run}/${stage} ${how}`)).toEqual(["one/sft read", "one/eval read", "two/base reused", "three/further read"]);
    expect(uses.at(-1)).toEqual({ how: "read", run: "three", stage: "further", kind: "sft", at: expect.any(String) as string, artifact: made.sft });
    expect(uses[1]).toMatchObject({ kind: "evaluate", made: made.eval, figures: { "loss/lm": 1e-8 } });
    expect((await trace(store, made.eval)).uses).toEqual([]);
  });

  it("outlasts the artifact, and says who removed it", async () => {
    await store.ledger.append("one", { type: "artifact-removed", stage: "sft", key: sft.key, artifact: made.sft, bytes: 3, actor: "ada@host", reason: "gc" });
    const { makings, removed } = await trace(store, made.sft);
    expect(makings).toHaveLength(2);
    expect(removed?.event).toMatchObject({ actor: "ada@host", reason: "gc" });
  });
});
