import { expect, it } from "vitest";
import { RememberedReplies } from "../../../foundation/http/remembered-replies.js";
import { endpointReward } from "../../../schemas/reward.js";
import { endpointScorer } from "../../../training/rewards/endpoint.js";
import { Received } from "../../../training/rewards/received.js";
import type { WrittenAnswer } from "../../../training/rewards/reward.js";
import { serve } from "../../foundation/http/server.js";
import { user } from "../support.js";

const answer = (text: string): WrittenAnswer => ({ prompt: [user("Why?")], answer: text, finished: true, tokens: 3, tags: {} });
const answers = ["a", "bb", "ccc", "dddd", "eeeee"].map(answer);
const lengths = ({ body }: { readonly body: unknown }) => ({ json: { scores: (body as { answers: WrittenAnswer[] }).answers.map((each) => each.answer.length) } });

it("answers go out in batches, whole, and their scores come back in order", async () => {
  const { url, received } = await serve(lengths);
  expect(await endpointScorer(endpointReward.parse({ url, batch: 2 }))(answers)).toEqual([1, 2, 3, 4, 5]);
  expect(received).toHaveLength(3);
  expect(received.map(({ body }) => body)).toContainEqual({ answers: [answers[0], answers[1]] });
});

it.each([
  [{ json: { scores: [1, 2] } }, /gave 2 scores for 5 answers/],
  [{ json: [1, 2, 3, 4, 5] }, /answered \[1,2,3,4,5\]/],
  [{ json: { scores: [1, 2, null, 4, 5] } }, /gave null for row 3 of 5 \(the answer "ccc" to "Why\?"\)/],
])("an answer in another form names the server and the row: %j", async (said, message) => {
  const { url } = await serve(() => said);
  await expect(endpointScorer(endpointReward.parse({ url }))(answers)).rejects.toMatchObject({ code: "TL_REWARD_SCORES", message: expect.stringMatching(message) });
});

it("the same answer is asked about once; a server that is of another mind later changes nothing, in a resumed stage neither", async () => {
  let mind = 0;
  const { url, received } = await serve(({ body }) => ({ json: { scores: (body as { answers: unknown[] }).answers.map(() => ++mind) } }));
  const before = new Received();
  const ask = before.over(endpointScorer(endpointReward.parse({ url })));
  expect(await ask([answers[0]!, answers[1]!, answers[0]!])).toEqual([1, 2, 1]);
  expect(await ask([answers[1]!, answers[2]!])).toEqual([2, 3]);
  const resumed = new Received(before.state()).over(endpointScorer(endpointReward.parse({ url })));
  expect(await resumed([answers[2]!, answers[0]!])).toEqual([3, 1]);
  expect(received.map(({ body }) => (body as { answers: unknown[] }).answers.length)).toEqual([2, 1]);
});

it("a score that is remembered is asked for no more, whatever batch it came in, and a wrong answer is not remembered", async () => {
  const remembered = await RememberedReplies.open(undefined);
  const good = await serve(lengths);
  const scorer = (url: string, batch: number) => endpointScorer(endpointReward.parse({ url, batch, retries: 0 }), { remembered });
  expect(await scorer(good.url, 2)(answers.slice(0, 3))).toEqual([1, 2, 3]);
  expect(await scorer(good.url, 32)([...answers, answers[4]!])).toEqual([1, 2, 3, 4, 5, 5]);
  expect(good.received.map(({ body }) => (body as { answers: WrittenAnswer[] }).answers.map((each) => each.answer).join())).toEqual(expect.arrayContaining(["a,bb", "ccc", "dddd,eeeee"]));
  expect(good.received).toHaveLength(3);
  const mending = await serve((request, count) => (count === 1 ? { json: { scores: ["high"] } } : lengths(request)));
  await expect(scorer(mending.url, 1)([answers[1]!])).rejects.toMatchObject({ code: "TL_REWARD_SCORES" });
  expect(await scorer(mending.url, 1)([answers[1]!])).toEqual([2]);
});

it("the newest 50,000 scores are kept", async () => {
  const kept = new Received(Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`before-${index}`, index])));
  await kept.over(async (some) => some.map(() => 7))([answers[0]!, answers[1]!]);
  const state = kept.state();
  expect(Object.keys(state)).toHaveLength(50_000);
  expect(state).not.toHaveProperty("before-1");
  expect(state).toHaveProperty("before-2");
  expect(Object.values(state).filter((score) => score === 7)).toHaveLength(2 + 1);
});
