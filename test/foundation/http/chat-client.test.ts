import { expect, it } from "vitest";
import { ChatClient } from "../../../foundation/http/chat-client.js";
import { serve } from "./server.js";

const settings = { model: "judge-1", temperature: 0, maxTokens: 16, timeoutSeconds: 20, retries: 0, concurrency: 1 };
const reply = (content: string | null) => ({ json: { id: "x", choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }] } });

it("a dialogue goes out in the form of the chat-completions API, and the reply's text comes back", async () => {
  const { url, received } = await serve(() => reply("8"));
  const messages = [{ role: "system", content: "Be fair." }, { role: "user", content: "How good?" }] as const;
  expect(await new ChatClient({ ...settings, url }).complete(messages, 3)).toBe("8");
  expect(received[0]!.body).toEqual({ model: "judge-1", messages, temperature: 0, max_tokens: 16, seed: 3 });
});

it.each([["stop", true], ["length", false], ["content_filter", true], [null, true], [undefined, true]])("a reply whose finish_reason is %s came to its end: %s", async (reason, finished) => {
  const { url } = await serve(() => ({ json: { choices: [{ message: { content: "a" }, ...(reason !== undefined && { finish_reason: reason }) }] } }));
  expect(await new ChatClient({ ...settings, url }).reply([], 0)).toEqual({ text: "a", finished });
});

it("an answer without a reply is an error that shows it", async () => {
  const { url } = await serve(() => ({ json: { object: "list", data: [] } }));
  await expect(new ChatClient({ ...settings, url }).complete([], 0)).rejects.toMatchObject({ code: "TL_ENDPOINT_ANSWER", message: expect.stringContaining('"object":"list"') });
});

it("a reply that says nothing is asked for again, with another seed", async () => {
  const { url, received } = await serve((_, count) => reply(count < 3 ? "Hmm." : "4"));
  const digits = (text: string) => (/^\d$/.test(text) ? Number(text) : undefined);
  const client = new ChatClient({ ...settings, url });
  expect(await client.ask([], digits, { attempts: 3, seed: 10 })).toEqual({ verdict: 4 });
  expect(received.map(({ body }) => (body as { seed: number }).seed)).toEqual([10, 11, 12]);
});

it("after the last attempt the reply that nothing was made of is given, an empty one too", async () => {
  const { url, received } = await serve(() => reply(null));
  expect(await new ChatClient({ ...settings, url }).ask([], () => undefined, { attempts: 2 })).toEqual({ unread: "" });
  expect(received).toHaveLength(2);
});
