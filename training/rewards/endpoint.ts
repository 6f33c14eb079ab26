import { z } from "zod";
import { secondsOf } from "../../foundation/durations.js";
import { TruelineError } from "../../foundation/errors.js";
import type { ChatSurroundings } from "../../foundation/http/chat-client.js";
import { JsonEndpoint, type EndpointSettings } from "../../foundation/http/json-endpoint.js";
import { hostOf } from "../../foundation/text.js";
import type { EndpointReward } from "../../schemas/reward.js";
import { chunks } from "../batches.js";
import { rowOf, type TextScorer, type WrittenAnswer } from "./reward.js";

const answerSchema = z.object({ scores: z.array(z.unknown()) });

/** How a spec wants a server to be asked. */
export function endpointSettings({ url, secret, timeout, retries, concurrency }: Pick<EndpointReward, "url" | "secret" | "timeout" | "retries" | "concurrency">): EndpointSettings {
  return { url, timeoutSeconds: secondsOf(timeout), retries, concurrency, ...(secret !== undefined && { secret }) };
}

/**
 * Scores from a server: a POST of {"answers": [{prompt, answer, finished, tokens, tags}, …]}, answered with {"scores": [number, …]}.
 * An answer whose score is remembered is not asked about. Errors: TL_ENDPOINT_SECRET; of the scorer those of JsonEndpoint.post, and TL_REWARD_SCORES.
 */
export function endpointScorer(spec: EndpointReward, { remembered, ...surroundings }: ChatSurroundings = {}): TextScorer {
  const endpoint = new JsonEndpoint(endpointSettings(spec), surroundings);
  const ask = async (answers: readonly WrittenAnswer[]): Promise<number[]> => {
    const said = await endpoint.post({ answers });
    const { data } = answerSchema.safeParse(said);
    if (data === undefined) throw wrong(spec.url, `answered ${JSON.stringify(said).slice(0, 200)}`);
    if (data.scores.length !== answers.length) throw wrong(spec.url, `gave ${data.scores.length} scores for ${answers.length} answers`);
    return data.scores.map((score, row) => {
      if (typeof score === "number" && Number.isFinite(Math.fround(score))) return score;
      throw wrong(spec.url, `gave ${JSON.stringify(score)} for ${rowOf(answers, row)}`);
    });
  };
  if (remembered === undefined) return async (answers) => (await Promise.all(chunks(answers, spec.batch).map(ask))).flat();
  return (answers) => remembered.replies(answers.map((answer) => ({ url: spec.url, answer })), z.number(), (fresh) =>
    chunks(fresh, spec.batch).map((to) => ({ to, replies: ask(to.map(({ answer }) => answer)) })));
}

function wrong(url: string, what: string): TruelineError {
  return new TruelineError("TL_REWARD_SCORES", `${hostOf(url)} ${what}.`, { hint: "It has to answer {\"scores\": […]} with one finite number of 32 bits for each of `answers`, in their order." });
}
