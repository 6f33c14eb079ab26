import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { z } from "zod";
import { ChatClient } from "../../../foundation/http/chat-client.js";
import { RememberedReplies } from "../../../foundation/http/remembered-replies.js";
import { serve } from "./server.js";

async function file(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "trueline-replies-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, "below", "replies.jsonl");
}

const never = () => Promise.reject(new Error("asked again"));
const schema = z.object({ text: z.string(), finished: z.boolean() });
const said = (text: string) => async () => ({ text, finished: true });

it("what was answered is not asked again, by whoever opens the file later either", async () => {
  const path = await file();
  const first = await RememberedReplies.open(path);
  expect(await first.reply({ q: 1 }, schema, said("one"))).toEqual({ text: "one", finished: true });
  expect(await first.reply({ q: 1 }, schema, never)).toEqual({ text: "one", finished: true });
  expect(await first.reply({ q: 2 }, schema, said("two\nlines"))).toMatchObject({ text: "two\nlines" });
  const second = await RememberedReplies.open(path);
  expect([await second.reply({ q: 1 }, schema, never), await second.reply({ q: 2 }, schema, never)].map(({ text }) => text)).toEqual(["one", "two\nlines"]);
  await expect(second.reply({ q: 3 }, schema, never)).rejects.toThrow("asked again");
});

it("a question that is under way is asked once, and one that failed may be asked again", async () => {
  const replies = await RememberedReplies.open(undefined);
  await expect(replies.reply("q", schema, never)).rejects.toThrow();
  let asked = 0;
  const ask = async () => ({ text: String(++asked), finished: true });
  expect(await Promise.all([replies.reply("q", schema, ask), replies.reply("q", schema, ask)])).toEqual([{ text: "1", finished: true }, { text: "1", finished: true }]);
});

it("a reply is in the file before it is given", async () => {
  const path = await file();
  await (await RememberedReplies.open(path)).reply("q", schema, said("a"));
  expect(await readFile(path, "utf8")).toMatch(/^\{"asked":"[0-9a-f]{64}","reply":\{"text":"a","finished":true\}\}\n$/);
});

it("a line that a kill cut short is asked for again, and spoils no other", async () => {
  const path = await file();
  const first = await RememberedReplies.open(path);
  await first.reply("a", schema, said("A"));
  await first.reply("b", schema, said("B"));
  await writeFile(path, (await readFile(path, "utf8")).slice(0, -20));
  const second = await RememberedReplies.open(path);
  expect(await second.reply("b", schema, said("B again"))).toMatchObject({ text: "B again" });
  expect(await second.reply("c", schema, said("C"))).toMatchObject({ text: "C" });
  const third = await RememberedReplies.open(path);
  expect((await Promise.all(["a", "b", "c"].map((question) => third.reply(question, schema, never)))).map(({ text }) => text)).toEqual(["A", "B again", "C"]);
});

it("many that come at once are lines apart", async () => {
  const path = await file();
  const replies = await RememberedReplies.open(path);
  await Promise.all(Array.from({ length: 40 }, (_, index) => replies.reply(index, schema, said("x".repeat(1000 * (index % 7))))));
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  expect(new Set(lines.map((line) => (JSON.parse(line) as { asked: string }).asked)).size).toBe(40);
});

it("of several questions those without a reply are asked, each once, and a part that fails takes no other with it", async () => {
  const path = await file();
  const lengths = async (words: readonly string[]) => words.map(({ length }) => length);
  const first = await RememberedReplies.open(path);
  const failing = first.replies(["a", "bb", "a", "ccc"], z.number(), (fresh) => {
    expect(fresh).toEqual(["a", "bb", "ccc"]);
    return [{ to: ["a", "bb"], replies: lengths(["a", "bb"]) }, { to: ["ccc"], replies: Promise.reject(new Error("no answer")) }];
  });
  await expect(failing).rejects.toThrow("no answer");
  await vi.waitFor(async () => expect((await readFile(path, "utf8")).match(/\n/g)).toHaveLength(2));
  const second = await RememberedReplies.open(path);
  expect(await second.replies(["ccc", "bb", "a"], z.number(), (to) => {
    expect(to).toEqual(["ccc"]);
    return [{ to, replies: lengths(to) }];
  })).toEqual([3, 2, 1]);
});

it("a line that holds no reply of the kind that is asked for counts as none", async () => {
  const path = await file();
  await (await RememberedReplies.open(path)).reply("q", schema, said("a"));
  expect(await (await RememberedReplies.open(path)).reply("q", z.number(), async () => 7)).toBe(7);
});

it("a chat client asks its server only what it does not remember; another model or address is another question", async () => {
  const { url, received } = await serve((_, count) => ({ json: { choices: [{ message: { content: String(count) }, finish_reason: count === 1 ? "length" : "stop" }] } }));
  const remembered = await RememberedReplies.open(undefined);
  const settings = { url, model: "m", temperature: 0.8, topP: 0.9, maxTokens: 5, timeoutSeconds: 20, retries: 0, concurrency: 4 };
  const client = new ChatClient(settings, { remembered });
  expect(await client.reply([{ role: "user", content: "a" }], 1)).toEqual({ text: "1", finished: false });
  expect(await client.complete([{ role: "user", content: "a" }], 1)).toBe("1");
  expect(received[0]!.body).toMatchObject({ top_p: 0.9 });
  expect(await client.reply([{ role: "user", content: "a" }], 2)).toEqual({ text: "2", finished: true });
  expect(await new ChatClient({ ...settings, model: "n" }, { remembered }).complete([{ role: "user", content: "a" }], 1)).toBe("3");
  expect(await new ChatClient({ ...settings, url: `${url}&x=1` }, { remembered }).complete([{ role: "user", content: "a" }], 1)).toBe("4");
  expect(received).toHaveLength(4);
});
