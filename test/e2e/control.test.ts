import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { Store } from "../../store/store.js";
import { Project, tiny } from "./program.js";

const minutes = 60_000;
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const runOutput = z.object({ id: z.string(), state: z.string(), stages: z.array(z.object({ name: z.string(), state: z.string() })) });

let uninterrupted: string[];
beforeAll(async () => {
  const project = await Project.create();
  await project.write("tiny.json", tiny);
  expect((await project.run("run", "tiny.json")).code).toBe(0);
  uninterrupted = await project.weights();
  await project.remove();
}, 20 * minutes);

let project: Project;
beforeEach(async () => { project = await Project.create(); });
afterEach(() => project.remove());

async function types(id: string): Promise<string[]> {
  return (await new Store(project.home).ledger.read(id)).map(({ event }) => event.type);
}

/** Waits until the only run has an event of a type; gives its id. */
async function untilEvent(type: string): Promise<string> {
  for (let looks = 0; looks < 2400; looks++) {
    const [id] = await readdir(join(project.home, "runs")).catch(() => []);
    if (id !== undefined && (await types(id)).includes(type)) return id;
    await sleep(50);
  }
  throw new Error(`no ${type}`);
}

describe("the built program", () => {
  it("pauses a run in the middle of a stage and frees everything; unpaused, it ends with the same bytes", async () => {
    await project.write("tiny.json", tiny);
    const running = project.start("run", "tiny.json", "--json");
    const id = await untilEvent("checkpoint-saved");
    expect(await project.run("pause", id, "--reason", "lunch")).toMatchObject({ code: 0, stdout: expect.stringContaining(`trueline unpause ${id}`) as string });
    const { code, stdout } = await running.ended;
    expect(code).toBe(6);
    expect(runOutput.parse(JSON.parse(stdout))).toMatchObject({ state: "paused", stages: [{ state: "finished" }, { state: "stopped" }] });
    const events = (await new Store(project.home).ledger.read(id)).map(({ event }) => event);
    expect(events.slice(-2)).toMatchObject([{ type: "stage-stopped", cause: "paused", checkpoint: expect.any(Number) as number }, { type: "run-paused" }]);
    expect((await project.run("status", id)).stdout).toContain(`Go on with: trueline unpause ${id}`);
    expect(await project.run("pause", id)).toMatchObject({ code: 4, stderr: expect.stringContaining("TL_RUN_OVER") as string });
    expect((await project.run("unpause", id, "--detach")).code, "no server to leave it to").toBe(1);
    expect(await project.run("unpause", id)).toMatchObject({ code: 0 });
    expect(await project.weights()).toEqual(uninterrupted);
    expect(await project.run("unpause", id)).toMatchObject({ code: 4, stderr: expect.stringContaining("TL_RUN_NOT_PAUSED") as string });
    expect((await project.run("history", id)).stdout).toContain("because: lunch");
  }, 5 * minutes);

  it("waits for an approval that another process gives, and tells a webhook of it", async () => {
    const taken: { type: string; data: Record<string, string> }[] = [];
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => { body += chunk.toString(); }).on("end", () => {
        taken.push(new Webhook(secret).verify(body, request.headers as Record<string, string>) as typeof taken[number]);
        response.writeHead(200).end();
      });
    });
    await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
    process.env.HOOK_SECRET = secret;
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await project.write("asks.json", {
      ...tiny, seed: 6, approval: { before: "base", question: "Is the tokenizer good?" }, notify: [{ url, on: ["approval-asked", "run-finished"], secret: "HOOK_SECRET" }],
      stages: { ...tiny.stages, base: { ...tiny.stages.base, steps: 40 } },
    });
    const running = project.start("run", "asks.json");
    const id = await untilEvent("approval-asked");
    expect(await project.run("status", id)).toMatchObject({ code: 0, stdout: expect.stringContaining(`trueline approve ${id} before:base`) as string });
    expect(z.array(z.object({ id: z.string(), state: z.string() })).parse(JSON.parse((await project.run("runs", "--json")).stdout))[0]).toEqual(expect.objectContaining({ id, state: "asking" }));
    expect((await project.run("approve", id, "bpe")).code, "nothing is asked about it").toBe(4);
    expect(await project.run("approve", id, "--reason", "looked at it")).toMatchObject({ code: 0 });
    const { code, stderr } = await running.ended;
    expect([code, stderr]).toEqual([0, expect.stringContaining("base asks: Is the tokenizer good?")]);
    expect((await project.run("approve", id)).code).toBe(4);
    expect(taken.map(({ type, data }) => [type, data.next])).toEqual([["approval-asked", `trueline approve ${id} before:base`], ["run-finished", `trueline status ${id}`]]);
    server.close();
  }, 5 * minutes);

  it("fails a stage that somebody rejects, and does it once it is approved after all", async () => {
    await project.write("asks.json", {
      ...tiny, seed: 7, approval: { before: "base" }, stages: { ...tiny.stages, base: { ...tiny.stages.base, steps: 20_000, deadline: "0.1s" } },
    });
    const running = project.start("run", "asks.json", "--json");
    const id = await untilEvent("approval-asked");
    expect((await project.run("reject", id, "--reason", "not today")).code).toBe(0);
    const { code, stdout } = await running.ended;
    expect(code).toBe(1);
    expect(stdout).toContain("rejected it: not today");
    expect(await project.run("retry", id, "base")).toMatchObject({ code: 4, stderr: expect.stringContaining(`trueline approve ${id} before:base`) as string });
    expect((await project.run("approve", id)).stdout).toContain(`trueline resume ${id}`);
    expect((await project.run("retry", id, "bpe")).stderr).toContain("TL_STAGE_NOT_FAILED");
    const late = await project.run("retry", id, "base");
    expect([late.code, late.stdout]).toEqual([1, expect.stringContaining("TL_STAGE_DEADLINE")]);
  }, 5 * minutes);
});
