import { historyFromJSON } from "@temporalio/common/lib/proto-utils.js";
import { DefaultLogger, Runtime, Worker, type WorkflowBundle } from "@temporalio/worker";
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { bundle } from "./stand.js";

// Histories of released versions: a run that one version began must go on under the next.
const folder = new URL("./histories/", import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith(".json"));

async function history(name: string) {
  return historyFromJSON(JSON.parse(await readFile(new URL(name, folder), "utf8")));
}

describe("the workflow as it is now replays", () => {
  let workflowBundle: WorkflowBundle;
  beforeAll(async () => {
    Runtime.install({ logger: new DefaultLogger("ERROR") });
    workflowBundle = await bundle();
  });

  it.each(names)("%s", async (name) => {
    await Worker.runReplayHistory({ workflowBundle }, await history(name));
  });

  it("and would tell if it did not", async () => {
    const changed = (await readFile(new URL(names.find((name) => name.includes("finished"))!, folder), "utf8")).replaceAll(/"name": ?"done"/g, '"name":"other"');
    await expect(Worker.runReplayHistory({ workflowBundle }, historyFromJSON(JSON.parse(changed)))).rejects.toThrow(/[Nn]on-?determinism/i);
  });
});
