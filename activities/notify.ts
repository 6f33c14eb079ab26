import { ApplicationFailure } from "@temporalio/common";
import { Webhook } from "standardwebhooks";
import { hostOf } from "../foundation/text.js";
import { noticeSchema } from "../schemas/control.js";
import type { Store } from "../store/store.js";

const answerMilliseconds = 10_000;

/**
 * Sends a notice to one receiver: a POST of JSON, signed as standardwebhooks.com describes where the spec names a secret. The
 * ledger gets the receiver's host alone: the rest of an address may be a secret itself.
 */
export async function notify(store: Store, environment: Readonly<NodeJS.ProcessEnv>, input: unknown): Promise<void> {
  const { run, to, id, occasion, at, data } = noticeSchema.parse(input);
  const body = JSON.stringify({ type: occasion, timestamp: at, data });
  const now = new Date();
  const headers = {
    "content-type": "application/json", "webhook-id": id, "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
    ...(to.secret !== undefined && { "webhook-signature": signature(to.secret, environment, id, now, body) }),
  };
  const status = await post(to.url, headers, body);
  if (status < 200 || status > 299) throw new Error(`it answered ${status}`);
  await store.ledger.append(run, { type: "notification-sent", occasion, host: hostOf(to.url), id });
}

function signature(name: string, environment: Readonly<NodeJS.ProcessEnv>, id: string, now: Date, body: string): string {
  const secret = environment[name];
  if (secret === undefined || secret === "") throw refused(`the environment variable ${name} with the signing secret is not set on the worker`);
  try {
    return new Webhook(secret).sign(id, now, body);
  } catch {
    throw refused(`the environment variable ${name} holds no signing secret: whsec_ and base64 belong there`);
  }
}

/** Unsigned it must not go out, and the variable will not be set by waiting. */
function refused(message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: "TL_NOTIFY_SECRET", message, nonRetryable: true });
}

async function post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<number> {
  try {
    const answer = await fetch(url, { method: "POST", headers, body, redirect: "manual", signal: AbortSignal.timeout(answerMilliseconds) });
    await answer.body?.cancel();
    return answer.status;
  } catch {
    // What fetch says may hold the whole address.
    throw new Error("it can't be reached, or did not answer in time");
  }
}
