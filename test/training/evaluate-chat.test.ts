import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { z } from "zod";
import { answeredPromptSchema, reportSchema } from "../../schemas/report.js";
import { createEvaluate } from "../../training/evaluate.js";
import { serve, type Answer } from "../foundation/http/server.js";
import { parseEvaluation, type ChatEvaluation } from "./chat-evaluation.js";
import { runInterrupted, runToEnd, temporaryDirectory, tinyModel, type Start } from "./support.js";

const prompts = ["ab", "cd", "ef", "gh", "ij", "kl"].map((text, index) => ({ text, tags: { part: index < 2 ? "harmful" : "helpful" } }));
const reply = (content: string, more: object = {}): Answer => ({ json: { choices: [{ message: { content }, finish_reason: "stop", ...more }] } });

const bodySchema = z.object({ model: z.string(), messages: z.array(z.object({ role: z.string(), content: z.string() })), seed: z.number(), temperature: z.number(), top_p: z.number().optional(), max_tokens: z.number() });
/** The dialogue and the answers that a judge is asked about. */
function question(body: unknown) {
  const { messages: [message] } = bodySchema.parse(body);
  const [, dialogue, first, second] = /<dialogue>\n(.*)\n<\/dialogue>\n<answer-A>\n([^]*)\n<\/answer-A>\n<answer-B>\n([^]*)\n<\/answer-B>/.exec(message!.content)!;
  return { dialogue: dialogue!, first: first!, second: second!, text: message!.content };
}

const judge = (url: string, more: object = {}) => ({ judges: [{ name: "gpt", chat: { url, model: "judge-1", timeout: "20s", retries: 0, ...more } }] });

async function evaluation(parameters: Readonly<Record<string, unknown>>): Promise<ChatEvaluation> {
  const [candidate, baseline] = [await tinyModel(1), await tinyModel(2)];
  return { candidate: candidate.directory, baseline: baseline.directory, prompts, parameters };
}
const start = (of: ChatEvaluation, replies?: string): Start => (attempt) => createEvaluate({ ...parseEvaluation(JSON.stringify(of)), ...attempt, ...(replies !== undefined && { replies }) });

const read = async (directory: string) => ({
  report: reportSchema.parse(JSON.parse(await readFile(join(directory, "report.json"), "utf8"))),
  answers: (await readFile(join(directory, "answers.jsonl"), "utf8")).trimEnd().split("\n").map((line) => answeredPromptSchema.parse(JSON.parse(line))),
});

describe("a language model as judge", () => {
  it("is asked twice about each comparison, the answers changing places, and decides it where it says the same", async () => {
    // By some order of its own, but of what was said to "ab" and "cd" always the first, and of "ef" nothing.
    const rank = (text: string) => [...text].reduce((sum, character) => (31 * sum + character.codePointAt(0)!) % 1009, 7);
    const { url, received } = await serve(({ body }) => {
      const { dialogue, first, second } = question(body);
      if (/ab|cd/.test(dialogue)) return reply("Verdict: A");
      if (/ef/.test(dialogue)) return reply("Hard to say.");
      return reply(`Reasons.\nVerdict: ${rank(first) === rank(second) ? "tie" : rank(first) > rank(second) ? "A" : "B"}`);
    });
    const { directory, metadata } = await runToEnd(start(await evaluation(judge(url, { attempts: 2 }))));
    const { report, answers } = await read(directory);
    for (const { prompt, candidate, baseline, verdicts, asked } of answers) {
      const { content } = prompt[0]!;
      const by = (ours: number, theirs: number) => (ours === theirs ? "tie" : ours > theirs ? "win" : "lose");
      if (/ab|cd/.test(content)) expect([verdicts, asked]).toEqual([{ gpt: ["tie"] }, { gpt: [["candidate", "baseline"]] }]);
      else if (content === "ef") expect([verdicts, asked]).toEqual([{ gpt: ["tie"] }, { gpt: [["unread", "unread"]] }]);
      else expect(verdicts).toEqual({ gpt: [by(rank(candidate.text), rank(baseline[0]!.text))] });
    }
    expect(answers.some(({ verdicts }) => verdicts!["gpt"]![0] !== "tie")).toBe(true);
    expect(report.judge).toBe("gpt");
    expect(report.judges!.tables[0]!.orders).toMatchObject({ unread: 2, questions: 12, same: { value: 4 / 6 } });
    expect(metadata.figures["judge/gpt/win_rate"]).toBe(metadata.figures["eval/win_rate"]);
    // Two questions a comparison, of which those without a verdict are asked again with another seed.
    expect(received).toHaveLength(2 * 6 + 2);
    const asked = received.map(({ body }) => question(body));
    expect(asked.filter(({ dialogue }) => /ab|cd/.test(dialogue)).every(({ text }) => text.includes("does not help to do harm"))).toBe(true);
    expect(asked.filter(({ dialogue }) => /gh/.test(dialogue)).every(({ text }) => text.includes("more helpful one: it gives"))).toBe(true);
    expect(bodySchema.parse(received[0]!.body)).toMatchObject({ model: "judge-1", temperature: 0, max_tokens: 256 });
  });

  it("asks for its key by name, and says which variable is not set", async () => {
    const { url } = await serve(() => reply("A"));
    await expect(runToEnd(start(await evaluation(judge(url, { secret: "TRUELINE_SECRET_NOT_SET" }))))).rejects.toMatchObject({ code: "TL_ENDPOINT_SECRET" });
  });
});

describe("a language model that is asked for a number, as reward", () => {
  it("has its unreadable replies counted, and what it can't rate is rated as the spec says", async () => {
    // Of "ab" it says nothing at first, of "cd" never.
    const { url, received } = await serve(({ body }) => {
      const { messages, seed } = bodySchema.parse(body);
      return reply(/user: (ab\n)/.test(messages[0]!.content) && seed === 0 || /user: cd\n/.test(messages[0]!.content) ? "Hm." : "10");
    });
    const of = await evaluation({ reward: { judge: { url, model: "judge-1", retries: 0, attempts: 2, unreadable: 1 } }, batch: 2 });
    const { directory, metadata, files } = await runToEnd(start(of));
    const { report, answers } = await read(directory);
    const scores = answers.map(({ prompt, candidate, baseline }) => [prompt[0]!.content, candidate.proxy, baseline[0]!.proxy]);
    expect(scores.sort()).toEqual(prompts.map(({ text }) => [text, ...text === "cd" ? [0, 0] : [1, 1]]));
    // Two answers to each prompt: those to "ab" and "cd" are asked about twice.
    expect(report.rewardReplies).toEqual({ heard: 16, unreadable: 2 + 4 });
    expect(metadata.figures["eval/unreadable"]).toBe(6 / 16);
    expect(received).toHaveLength(16);
    expect((await runInterrupted(start(of), 1)).files).toEqual(files);
  });
});

describe("a model behind an HTTP API as baseline", () => {
  it("answers with the stage's sampling, each round with a seed of its own; what is cut has no end", async () => {
    const { url, received } = await serve(({ body }) => {
      const { messages, seed } = bodySchema.parse(body);
      return reply(`to ${messages.at(-1)!.content}, ${seed}`, { finish_reason: messages.at(-1)!.content === "kl" ? "length" : "stop" });
    });
    const { url: judgeUrl } = await serve(() => reply("tie"));
    const { directory } = await runToEnd(start(await evaluation({ ...judge(judgeUrl), baseline: { chat: { url, model: "chat-1", retries: 0 } }, baselineSamples: 2, topP: 0.9, temperature: 0.8 })));
    const { report, answers } = await read(directory);
    expect(report.baselineIs).toBe("chat");
    for (const { prompt, baseline } of answers) {
      const { content } = prompt[0]!;
      expect(baseline.map(({ text, finished }) => [text, finished])).toEqual([[`to ${content}, 3`, content !== "kl"], [`to ${content}, 4`, content !== "kl"]]);
      // A token a character, and the end.
      expect(baseline.map(({ tokens }) => tokens)).toEqual([8 + 1, 8 + 1]);
    }
    expect(received).toHaveLength(12);
    expect(bodySchema.parse(received[0]!.body)).toMatchObject({ model: "chat-1", temperature: 0.8, top_p: 0.9, max_tokens: 6 });
    expect(report.overall.kl).toBeUndefined();
  });
});

/** What is asked for by the text of an answer. */
const parity = (text: string) => text.length % 2;
const answersSchema = z.object({ answers: z.array(z.object({ answer: z.string() })) });

describe("an evaluation that is killed", () => {
  it.each([
    ["a judge that compares", (url: string) => judge(url, { concurrency: 2 }), (body: unknown) => reply(`Verdict: ${parity(question(body).first) === 0 ? "A" : "B"}`)],
    ["a judge as reward", (url: string) => ({ reward: { judge: { url, model: "judge-1", retries: 0, concurrency: 2 } } }), (body: unknown) => reply(`${1 + parity(JSON.stringify(body))}`)],
    ["a server as reward", (url: string) => ({ reward: { url, retries: 0, concurrency: 2, batch: 1 } }), (body: unknown): Answer => ({ json: { scores: answersSchema.parse(body).answers.map(({ answer }) => parity(answer)) } })],
  ])("asks nothing of %s a second time that was answered, though it saved no checkpoint, and ends with the same report", async (_, parameters, respond) => {
    const answered: string[] = [];
    let held = 0;
    let answersLeft = 6;
    const { url } = await serve(({ body }) => {
      if (answersLeft-- <= 0) {
        held++;
        return { hang: true };
      }
      answered.push(JSON.stringify(body));
      return respond(body);
    });
    const of = await evaluation(parameters(url));
    const folder = await temporaryDirectory();
    const [workspace, output, replies] = ["workspace", "output", "replies.jsonl"].map((name) => join(folder, name)) as [string, string, string];
    for (const path of [workspace, output]) await mkdir(path);
    const child = fork(fileURLToPath(new URL("./dying-evaluation.ts", import.meta.url)), [JSON.stringify(of), workspace, output, replies], { execArgv: ["--import", "tsx"] });
    onTestFinished(() => { child.kill("SIGKILL"); });
    await vi.waitFor(async () => {
      expect(held).toBe(2);
      expect((await readFile(replies, "utf8")).trimEnd().split("\n")).toHaveLength(6);
    }, { timeout: 60_000, interval: 50 });
    child.kill("SIGKILL");
    await once(child, "exit");

    answersLeft = Infinity;
    const resumed = await runToEnd(start(of, replies));
    expect(answered).toHaveLength(12);
    expect(new Set(answered).size).toBe(12);
    const whole = await runToEnd(start(of));
    expect(resumed.files).toEqual(whole.files);
  }, 120_000);
});
