import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LedgerEvent } from "../../schemas/events.js";
import { filled, keyOf, planOf, plannedStage as stage } from "../store/home.js";
import { failureOf, Stand } from "./stand.js";

let stand: Stand;
beforeAll(async () => { stand = await Stand.start(); }, 20 * 60_000);
afterAll(() => stand.end());
beforeEach(() => { stand.log.length = 0; });

const asksBefore = (name: string, after: string[], kind = "done") => ({ ...stage(name, after, kind), approval: {} });
const answer = (gate: string, decision: "approved" | "rejected", reason?: string): LedgerEvent => ({
  type: "approval-answered", gate, stage: gate.split(":")[1]!, decision, actor: "ann", ...(reason !== undefined && { reason }),
});

async function types(run: string): Promise<string[]> {
  return (await stand.events(run)).map(({ type }) => type);
}

/** Puts the result of a stage into the store. */
async function publish(name: string): Promise<void> {
  const { claim } = await stand.store.claims.take(keyOf(name), { run: "r", stage: name, attempt: 1 });
  const directory = await filled(stand.store, { model: "weights" });
  const artifact = await stand.store.artifacts.publish(directory, "language-model", { figures: {} });
  await stand.store.results.publish(claim, {
    version: 1, key: keyOf(name), artifact, type: "language-model", kind: "done", stage: name, run: "r", finishedAt: "", seconds: 1, figures: {},
  });
}

describe("an approval", () => {
  const plan = planOf(stage("a", [], "done"), asksBefore("b", ["a"]), stage("c", ["b"], "done"), stage("d", [], "done"));

  it("is waited for before the stage computes; what does not depend on it goes on", async () => {
    const run = await stand.submit(plan);
    await stand.until(run.workflowId, "approval-asked");
    await stand.until(run.workflowId, "d ends");
    expect(await run.query("stages")).toMatchObject({ a: "finished", b: "asking", c: "waiting", d: "finished" });
    expect((await stand.events(run.workflowId)).at(-1)).toMatchObject({ gate: "before:b", stage: "b", key: keyOf("b"), question: "Shall b (done) start?" });
    await stand.order(run.workflowId, answer("before:b", "approved"));
    await run.result();
    expect(stand.log.slice(-2)).toEqual(["c begins after b", "c ends"]);
  });

  it("that is refused fails the stage by the name and reason of who refused, and blocks what comes after", async () => {
    const run = await stand.submit(plan);
    await stand.until(run.workflowId, "approval-asked");
    await stand.order(run.workflowId, answer("before:b", "rejected", "the reward model is not good enough"));
    const failed = { stage: "b", code: "TL_APPROVAL_REJECTED", message: "before:b: ann rejected it: the reward model is not good enough." };
    expect(await failureOf(run.result())).toMatchObject({ type: "TL_RUN_FAILED" });
    expect(stand.log.filter((entry) => /^[bc] begins/.test(entry))).toEqual([]);
    expect((await stand.events(run.workflowId)).slice(-2)).toMatchObject([{ type: "stage-failed", stage: "b", retry: false }, { type: "run-failed", failures: [failed] }]);
    await stand.store.ledger.append(run.workflowId, answer("before:b", "approved"));
    await (await stand.submit(plan, { run: run.workflowId })).result();
    expect((await types(run.workflowId)).filter((type) => type === "approval-asked"), "nobody is asked twice").toHaveLength(1);
  });

  it("counts as refused when nobody answers in time; a resumed run asks again", async () => {
    const late = planOf({ ...asksBefore("b", []), approval: { withinSeconds: 1, question: "Ready?" } });
    const run = await stand.submit(late);
    expect(await failureOf(run.result())).toMatchObject({ message: expect.stringContaining("Nobody answered in time") as string });
    expect(await types(run.workflowId)).toEqual(["approval-asked", "approval-answered", "stage-failed", "run-failed"]);
    const again = await stand.submit(planOf({ ...late.stages[0]!, approval: {} }), { run: run.workflowId });
    while ((await types(run.workflowId)).filter((type) => type === "approval-asked").length < 2) await sleep(50);
    await stand.order(run.workflowId, answer("before:b", "approved"));
    await again.result();
  });

  it("given while no workflow was open holds, but not for a stage that was edited since", async () => {
    const asked = { type: "approval-asked", gate: "before:b", stage: "b", key: keyOf("b"), question: "Go?" } as const;
    await stand.store.ledger.append("offline", asked, answer("before:b", "approved"));
    await (await stand.submit(plan, { run: "offline" })).result();
    expect((await types("offline")).slice(2)).toEqual(["run-resumed", "run-finished"]);
    await stand.store.ledger.append("edited", { ...asked, key: keyOf("b before the edit") }, answer("before:b", "approved"));
    const edited = await stand.submit(plan, { run: "edited" });
    while ((await types("edited")).filter((type) => type === "approval-asked").length < 2) await sleep(50);
    expect(await edited.query("stages")).toMatchObject({ b: "asking" });
    await edited.terminate();
  });

  it("is not asked for where the result is there already", async () => {
    await publish("there");
    const run = await stand.submit(planOf(asksBefore("there", [])));
    await run.result();
    expect(await types(run.workflowId)).toEqual(["run-finished"]);
  });
});

describe("a stage that asks", () => {
  it("gets its answer also where its result is there already, as a guard that judges what another run made", async () => {
    await publish("judged");
    const run = await stand.submit(planOf(stage("judged", [], "curious")));
    await stand.until(run.workflowId, "approval-asked");
    await stand.order(run.workflowId, answer("guard:judged:kl:140", "approved"));
    await run.result();
    expect(stand.log.filter((entry) => entry === "judged asks")).toHaveLength(1);
  });

  it("is attempted again with what was approved, or fails", async () => {
    const gate = "guard:a:kl:140";
    const [yes, no] = [await stand.submit(planOf(stage("a", [], "curious"))), await stand.submit(planOf(stage("a", [], "curious")))];
    for (const run of [yes, no]) await stand.until(run.workflowId, "approval-asked");
    await stand.order(yes.workflowId, answer(gate, "approved"));
    await stand.order(no.workflowId, answer(gate, "rejected"));
    expect(await yes.result()).toHaveProperty("a");
    expect(await failureOf(no.result())).toMatchObject({ message: expect.stringContaining(`${gate}: ann rejected it.`) as string });
  });
});

describe("a failed stage", () => {
  it("is tried again while another branch goes on, and what it blocked is done", async () => {
    const run = await stand.submit(planOf(stage("a", [], "mended"), stage("b", ["a"], "done"), stage("c", [], "lasting")));
    await stand.until(run.workflowId, "a fails");
    await stand.order(run.workflowId, { type: "retry-requested", stage: "a", actor: "ann" });
    expect(Object.keys(await run.result() as object).sort()).toEqual(["a", "b", "c"]);
    expect(stand.log.filter((entry) => entry.startsWith("c begins"))).toHaveLength(1);
  });

  it("is tried again also when that is asked for at the moment the run would end", async () => {
    const run = await stand.submit(planOf(stage("a", [], "mended"), stage("c", [], "done")));
    await stand.until(run.workflowId, "a fails");
    // Without a nudge the workflow hears of it only when it records its end.
    await stand.store.ledger.append(run.workflowId, { type: "retry-requested", stage: "a", actor: "ann" });
    await run.result();
    expect((await types(run.workflowId)).at(-1)).toBe("run-finished");
  });
});

describe("a run whose end, or the order to end, came into the ledger while no server was there", () => {
  const cancelled = { type: "cancel-requested", actor: "ann" } as const;

  it.each([["cancelled", [cancelled, { type: "run-cancelled" }]], ["paused", [{ type: "pause-requested", actor: "ann" }, { type: "run-paused" }]]] as const)(
    "is not gone on with: %s, its workflow ends and tells nothing", async (_, events) => {
      const run = await stand.submit({ ...planOf(stage("a", [], "lasting"), stage("b", ["a"], "done")), notify: [{ url: "http://127.0.0.1:9/x", on: ["run-cancelled", "run-paused"] }] });
      await stand.until(run.workflowId, "a begins after nothing");
      await stand.store.ledger.append(run.workflowId, ...events);
      expect(await failureOf(run.result())).toMatchObject({ name: "CancelledFailure" });
      expect(stand.log).toEqual(["a begins after nothing", "a ends"]);
      expect(await stand.events(run.workflowId)).toEqual(events);
    });

  it("is gone on with once it was resumed", async () => {
    const plan = planOf(stage("a", [], "done"));
    await stand.store.ledger.append("ended", cancelled, { type: "run-cancelled" });
    await (await stand.submit(plan, { run: "ended" })).result();
    expect(await types("ended")).toEqual(["cancel-requested", "run-cancelled", "run-resumed", "run-finished"]);
  });

  it("is ended as it was ordered", async () => {
    const run = await stand.submit(planOf(stage("a", [], "lasting"), stage("b", ["a"], "done")));
    await stand.until(run.workflowId, "a begins after nothing");
    await stand.store.ledger.append(run.workflowId, cancelled);
    expect(await failureOf(run.result())).toMatchObject({ name: "CancelledFailure" });
    expect(stand.log).not.toContain("b begins after a");
    expect(await types(run.workflowId)).toEqual(["cancel-requested", "run-cancelled"]);
  });

  it("asks nobody, and no deadline passes", async () => {
    const run = await stand.submit({ ...planOf(stage("a", [], "lasting"), asksBefore("b", ["a"])), deadlineSeconds: 2 });
    await stand.until(run.workflowId, "a begins after nothing");
    await stand.store.ledger.append(run.workflowId, cancelled, { type: "run-cancelled" });
    expect(await failureOf(run.result())).toMatchObject({ name: "CancelledFailure" });
    expect(await types(run.workflowId)).toEqual(["cancel-requested", "run-cancelled"]);
  });

  it("asks nobody where it comes to a question", async () => {
    const run = await stand.submit(planOf(stage("a", [], "lasting"), asksBefore("b", ["a"])));
    await stand.until(run.workflowId, "a begins after nothing");
    await stand.store.ledger.append(run.workflowId, cancelled, { type: "run-cancelled" });
    await stand.until(run.workflowId, "a ends");
    await run.signal("look");
    expect(await failureOf(run.result())).toMatchObject({ name: "CancelledFailure" });
    expect(await types(run.workflowId)).toEqual(["cancel-requested", "run-cancelled"]);
  });
});

describe("a deadline", () => {
  it("of a stage stops it with its checkpoint; the others go on, and the run fails", async () => {
    const run = await stand.submit(planOf({ ...stage("a", [], "endless"), deadlineSeconds: 1 }, stage("b", [], "lasting")));
    expect(await failureOf(run.result())).toMatchObject({ message: "a: TL_STAGE_DEADLINE It was not done within its deadline of 1 s." });
    expect(stand.log).toEqual(expect.arrayContaining(["a saved: deadline", "b ends"]));
    expect(await types(run.workflowId)).toEqual(["deadline-passed", "stage-failed", "run-failed"]);
  });

  it("of a run stops all stages with their checkpoints, questions too", async () => {
    const run = await stand.submit({ ...planOf(stage("a", [], "endless"), asksBefore("b", [])), deadlineSeconds: 1 });
    const failures = ["a", "b"].map((name) => ({ stage: name, code: "TL_RUN_DEADLINE" }));
    expect(await failureOf(run.result())).toMatchObject({ type: "TL_RUN_FAILED" });
    expect(stand.log).toContain("a saved: deadline");
    expect((await stand.events(run.workflowId)).at(-1)).toMatchObject({ type: "run-failed", failures });
  });
});

describe("notifications", () => {
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

  it("are signed, tried again until they are taken, and told to the ledger by the host alone", async () => {
    process.env.HOOK_SECRET = secret;
    const taken: { type: string; data: Record<string, string> }[] = [];
    let refusals = 2;
    const ids = new Set<string | undefined>();
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => { body += chunk.toString(); }).on("end", () => {
        ids.add(request.headers["webhook-id"]?.toString());
        if (refusals-- > 0) return response.writeHead(503).end();
        taken.push(new Webhook(secret).verify(body, request.headers as Record<string, string>) as typeof taken[number]);
        return response.writeHead(204).end();
      });
    });
    await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
    const { port } = server.address() as AddressInfo;
    const run = await stand.submit({
      ...planOf(stage("a", [], "broken")), notify: [{ url: `http://127.0.0.1:${port}/hooks/T0K3N?key=hidden`, on: ["run-failed"], secret: "HOOK_SECRET" }],
    });
    await failureOf(run.result());
    server.close();
    expect(taken).toMatchObject([{ type: "run-failed", data: { run: run.workflowId, name: "plan", state: "failed", next: `trueline resume ${run.workflowId}` } }]);
    expect(taken[0]!.data.message).toContain("TL_TRAIN_DIVERGED");
    expect([...ids]).toHaveLength(1);
    expect((await stand.events(run.workflowId)).at(-1)).toMatchObject({ type: "notification-sent", occasion: "run-failed", host: `127.0.0.1:${port}` });
    expect(JSON.stringify(await stand.events(run.workflowId))).not.toMatch(/hidden|T0K3N/);
  });

  it("tell what a guard has found while the stage still goes on", async () => {
    const run = await stand.submit({ ...planOf(stage("a", [], "watched")), notify: [{ url: "http://127.0.0.1:9/x", on: ["guard-breached"], secret: "NO_SUCH_SECRET" }] });
    await stand.until(run.workflowId, "notification-failed");
    expect(stand.log).not.toContain("a ends");
    await run.result();
    expect((await types(run.workflowId)).filter((type) => type === "notification-failed"), "told once").toHaveLength(1);
  });

  it("are not sent unsigned where the secret is missing; the run does not mind", async () => {
    const run = await stand.submit({ ...planOf(stage("a", [], "done")), notify: [{ url: "http://127.0.0.1:9/x", on: ["run-finished"], secret: "NO_SUCH_SECRET" }] });
    await run.result();
    expect(await stand.events(run.workflowId)).toMatchObject([
      { type: "run-finished" }, { type: "notification-failed", host: "127.0.0.1:9", message: expect.stringContaining("NO_SUCH_SECRET") as string },
    ]);
  });
});
