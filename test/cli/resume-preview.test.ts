import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stageOf } from "../planner/pipeline.js";
import { eachTestHasAFailedRun, folder, homeNow, longer, store, tokenFor, write } from "./resume-fixture.js";
import { trueline } from "./trueline.js";

eachTestHasAFailedRun();

const changed = (words: string) => ({ code: 4, stdout: "", stderr: expect.stringMatching(new RegExp(`TL_RESUME_CHANGED.*${words}`, "s")) as string });

describe("resume --preview", () => {
  it("shows what an edit keeps and loses, the command that does it, and writes no file", async () => {
    const edited = await write("edited.json", longer);
    const before = await homeNow();
    const { code, stdout, stderr } = await trueline(["resume", "first", "--spec", edited, "--preview"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^stage +kind +kept +lost +to do +reason\nbpe +tokenizer +kept +2 min +finished in this run, /);
    expect(stdout).toMatch(/\nppo +ppo +runs anew +2 min +2 min +steps of ppo changed from 80 to 100\n/);
    expect(stdout).toContain("Compute that is kept: 8 min; no longer used: 3 min (it stays in the store: resuming with the former spec finds it).");
    expect(stdout).toContain("Changed: steps of ppo changed from 80 to 100.");
    expect(stdout).toMatch(new RegExp(`trueline resume first --spec ${edited} --token [\\w-]{40,}\n$`));
    await trueline(["resume", "first", "--from", "sft", "--until", "rm", "--preview", "--json"]);
    expect(await homeNow()).toEqual(before);
  });

  it("gives the same as JSON, stage by stage", async () => {
    const { stdout } = await trueline(["resume", "first", "--from", "ppo", "--until", "ppo", "--preview", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      id: "first", preview: true, setAside: ["ppo", "eval"], only: ["bpe", "base", "sft", "rm", "critic", "ppo"], secondsKept: 500, secondsLost: 200,
      stages: [{}, {}, {}, {}, { name: "critic", fate: "kept" }, { name: "ppo", fate: "anew", reason: "asked for by --from ppo" }, { name: "eval", fate: "waits" }],
      token: expect.stringMatching(/^[\w-]+$/) as string,
    });
  });
});

describe("resume --token", () => {
  it("is bound to the options", async () => {
    const token = await tokenFor("--from", "ppo");
    expect(await trueline(["resume", "first", "--from", "rm", "--token", token])).toMatchObject(changed("the option --from"));
  });

  it("refuses when the ledger has grown", async () => {
    const token = await tokenFor("--from", "ppo");
    await store.ledger.append("first", { type: "pause-requested", actor: "a" });
    expect(await trueline(["resume", "first", "--from", "ppo", "--token", token])).toMatchObject(changed("the run's ledger"));
  });

  it("refuses when a data file has changed, and names it", async () => {
    const edited = await write("edited.json", ({ stages }) => { stages["base"]!["steps"] = 11; });
    const token = await tokenFor("--spec", edited);
    await writeFile(join(folder, "book.txt"), "another book\n");
    const { stderr, ...refused } = await trueline(["resume", "first", "--spec", edited, "--token", token]);
    expect({ ...refused, stderr }).toMatchObject(changed("book.txt, the data entry \"book\""));
    expect(stderr).not.toContain("the spec's text");
  });

  it("refuses when the spec was edited again, and when a result has gone", async () => {
    const edited = await write("edited.json", longer);
    const token = await tokenFor("--spec", edited);
    await rm(join(store.home, "results", `${stageOf(await store.runs.plan("first"), "critic").key}.json`));
    expect(await trueline(["resume", "first", "--spec", edited, "--token", token])).toMatchObject(changed("what becomes of stage critic"));
    await write("edited.json", ({ stages }) => { stages["ppo"]!["steps"] = 101; });
    expect(await trueline(["resume", "first", "--spec", edited, "--token", token])).toMatchObject(changed("the spec's text"));
  });

  it("takes nothing for a token that is none: exit 2", async () => {
    for (const token of ["x", "a".repeat(30), `${await tokenFor()}x`]) expect(await trueline(["resume", "first", "--token", token])).toMatchObject({ code: 2 });
  });
});
