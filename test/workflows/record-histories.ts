import { mkdir, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";
import { version } from "../../foundation/version.js";
import type { Plan } from "../../schemas/plan.js";
import { planOf, plannedStage as stage } from "../store/home.js";
import { Stand } from "./stand.js";

// npx tsx test/workflows/record-histories.ts: records how this version walks plans. Histories of released versions stay.

const plans: Readonly<Record<string, Plan>> = {
  finished: planOf(stage("a", [], "done"), stage("b", ["a"], "done"), stage("c", ["a"], "flaky"), stage("d", ["b", "c"], "done")),
  failed: planOf(stage("bad", [], "broken"), stage("after", ["bad"], "done"), stage("good", [], "done")),
  cancelled: planOf(stage("a", [], "endless"), stage("b", ["a"], "done")),
};

const folder = new URL("./histories/", import.meta.url);
await mkdir(folder, { recursive: true });
const stand = await Stand.start();
for (const [name, plan] of Object.entries(plans)) {
  const run = await stand.submit(plan);
  if (name === "cancelled") {
    await sleep(3000);
    await run.cancel();
  }
  await run.result().catch(() => undefined);
  await writeFile(new URL(`${version}-${name}.json`, folder), historyToJSON(await run.fetchHistory()));
}
await stand.end();
