import { mkdir, writeFile } from "node:fs/promises";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import { version } from "../../foundation/version.js";
import type { LedgerEvent } from "../../schemas/events.js";
import type { Plan } from "../../schemas/plan.js";
import { planOf, plannedStage as stage } from "../store/home.js";
import { Stand } from "./stand.js";

// npx tsx test/workflows/record-histories.ts: records how this version walks plans. Histories of released versions stay.

interface Scene {
  readonly plan: Plan;
  /** What is done to the run once the log has an entry, or its ledger an event of a type. */
  readonly then?: { readonly after: string; readonly order: LedgerEvent | "cancel" };
}

const answer = { type: "approval-answered", gate: "before:b", stage: "b", decision: "approved", actor: "me" } as const;
const gated = { ...stage("b", ["a"], "curious"), approval: { withinSeconds: 3600 } };

const scenes: Readonly<Record<string, Scene>> = {
  finished: { plan: planOf(stage("a", [], "done"), stage("b", ["a"], "done"), stage("c", ["a"], "flaky"), stage("d", ["b", "c"], "done")) },
  failed: { plan: planOf(stage("bad", [], "broken"), stage("after", ["bad"], "done"), stage("good", [], "done")) },
  cancelled: { plan: planOf(stage("a", [], "endless"), stage("b", ["a"], "done")), then: { after: "a begins after nothing", order: "cancel" } },
  paused: { plan: planOf(stage("a", [], "endless"), stage("b", ["a"], "done")), then: { after: "a begins after nothing", order: { type: "pause-requested", actor: "me" } } },
  approved: { plan: planOf(stage("a", [], "done"), { ...gated, kind: "done" }, stage("c", ["b"], "done")), then: { after: "approval-asked", order: answer } },
  rejected: { plan: planOf(stage("a", [], "done"), gated), then: { after: "approval-asked", order: { ...answer, decision: "rejected" } } },
  "asked-in-vain": { plan: planOf(stage("a", [], "done"), { ...gated, approval: { withinSeconds: 1 } }) },
  retried: {
    plan: planOf(stage("a", [], "mended"), stage("b", ["a"], "done"), stage("c", [], "lasting")),
    then: { after: "a fails", order: { type: "retry-requested", stage: "a", actor: "me" } },
  },
  "stage-overdue": { plan: planOf({ ...stage("a", [], "endless"), deadlineSeconds: 1 }, stage("b", [], "done")) },
  overdue: { plan: { ...planOf(stage("a", [], "endless"), stage("b", ["a"], "done")), deadlineSeconds: 1 } },
  notified: { plan: { ...planOf(stage("a", [], "done")), notify: [{ url: "http://127.0.0.1:9/hooks", on: ["run-finished"], secret: "NO_SUCH_SECRET" }] } },
};

const folder = new URL("./histories/", import.meta.url);
await mkdir(folder, { recursive: true });
const stand = await Stand.start();
for (const [name, { plan, then }] of Object.entries(scenes)) {
  stand.log.length = 0;
  const run = await stand.submit(plan);
  if (then !== undefined) {
    await stand.until(run.workflowId, then.after);
    if (then.order === "cancel") await run.cancel();
    else await stand.order(run.workflowId, then.order);
  }
  await run.result().catch(() => undefined);
  await writeFile(new URL(`${version}-${name}.json`, folder), historyToJSON(await run.fetchHistory()));
}
await stand.end();
