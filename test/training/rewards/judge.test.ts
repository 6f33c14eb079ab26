import { describe, expect, it } from "vitest";
import { judgeReward } from "../../../schemas/reward.js";
import { judgeMessages, judgeScorer, ratingIn } from "../../../training/rewards/judge.js";
import type { WrittenAnswer } from "../../../training/rewards/reward.js";
import { serve } from "../../foundation/http/server.js";
import { assistant, user } from "../support.js";

const answer = (text: string): WrittenAnswer => ({ prompt: [user("Hello."), assistant("Hi."), user("Why?")], answer: text, finished: true, tokens: 3, tags: {} });
const reply = (content: string) => ({ json: { choices: [{ message: { role: "assistant", content } }] } });
const spec = (url: string, more: object = {}) => judgeReward.parse({ judge: { url: `${url}/v1/chat/completions`, model: "judge-1", ...more } });
const asked = (body: unknown): string => (body as { messages: { content: string }[] }).messages[0]!.content;

describe("a judge", () => {
  it("gets the dialogue, the answer, the rubric and the scale, and its number becomes one between 0 and 1", async () => {
    const { url, received } = await serve(({ body }) => reply(asked(body).includes("a good one") ? "10" : "1"));
    expect(await judgeScorer(spec(url, { rubric: "Be terse." }))([answer("a good one"), answer("another")])).toEqual([1, 0]);
    expect(received[0]!.body).toMatchObject({ model: "judge-1", temperature: 0, max_tokens: 16 });
    const words = received.map(({ body }) => asked(body)).find((text) => text.includes("another"));
    for (const part of ["Be terse.", "user: Hello.\nassistant: Hi.\nuser: Why?", "<answer>\nanother\n</answer>", "from 1 (worst) to 10 (best)"]) expect(words).toContain(part);
  });

  it("may be asked in other words; braces in an answer stay as they are", () => {
    const { judge } = spec("http://x.example", { prompt: "{low}..{high}: {answer} / {dialogue} {other}", scale: { low: 0, high: 5 } });
    expect(judgeMessages(judge, answer("{rubric}"))).toEqual([{ role: "user", content: "0..5: {rubric} / user: Hello.\nassistant: Hi.\nuser: Why? {other}" }]);
  });

  it("is asked again while it gives no number, then it is an error that names server, model, row and reply, or the number that the spec says", async () => {
    const vague = await serve(() => reply("It depends."));
    await expect(judgeScorer(spec(vague.url, { attempts: 2 }))([answer("x")])).rejects.toMatchObject({
      code: "TL_REWARD_SCORES", message: expect.stringMatching(/^judge-1 at 127\.0\.0\.1:\d+ gave no number from 1 to 10 for row 1 of 1 \(the answer "x" to "Why\?"\) in 2 replies; the last one is "It depends\."/),
    });
    expect(vague.received).toHaveLength(2);
    expect(await judgeScorer(spec(vague.url, { unreadable: 5.5 }))([answer("x")])).toEqual([0.5]);
    const second = await serve((_, count) => reply(count === 1 ? "Well…" : "Score: 10"));
    expect(await judgeScorer(spec(second.url))([answer("x")])).toEqual([1]);
  });
});

it.each([
  ["7", 7], [" 7. ", 7], ["7/10", 7], ["7 out of 10", 7], ["[[7]]", 7], ["**Score: 7**", 7], ["Score: 7.5/10", 7.5],
  ["There are 3 faults. Rating: 4", 4], ["I give 7. So: 7", 7], ["10/10", 10], ["10", 10],
  ["0", undefined], ["11", undefined], ["-3", undefined], ["", undefined], ["good", undefined], ["6 or 7", undefined], ["Score: 6. Score: 7.", undefined],
])("of the reply %j the rating is %s", (text, rating) => {
  expect(ratingIn(text, { low: 1, high: 10 })).toBe(rating);
});
