import { setTimeout as sleep } from "node:timers/promises";
import pLimit from "p-limit";
import { TruelineError } from "../errors.js";
import { hostOf } from "../text.js";

/** An address that is asked with a POST of JSON and answers with JSON. */
export interface EndpointSettings {
  readonly url: string;
  /** Name of the environment variable that holds the bearer token; absent: none is sent. */
  readonly secret?: string;
  /** After which a request is given up. */
  readonly timeoutSeconds: number;
  /** Further tries of a request that fails by a fault that may pass. */
  readonly retries: number;
  /** Requests under way at once. */
  readonly concurrency: number;
}

/** What an endpoint takes from its surroundings; tests give other ones. */
export interface EndpointSurroundings {
  readonly environment?: Readonly<NodeJS.ProcessEnv>;
  /** Waits some milliseconds, and rejects when the signal is aborted. */
  readonly wait?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<unknown>;
  /** Ends requests and waits at once when aborted. */
  readonly signal?: AbortSignal;
}

const firstWaitMilliseconds = 500;
const longestWaitMilliseconds = 30_000;
/** A server that wants to be left alone for longer is not waited for inside an attempt. */
const longestRetryAfterMilliseconds = 600_000;
const mostAnswerBytes = 16 * 2 ** 20;
/** Answers that may be others a moment later: too early, too many requests, and faults of the server's own. */
const passing = (status: number): boolean => status === 408 || status === 425 || status === 429 || status >= 500;

/** A fault that may pass, and what the server says of when. */
interface Passing {
  readonly fault: string;
  readonly retryAfterMilliseconds?: number;
}

/**
 * Posts JSON to one address: no more than `concurrency` requests at once, each tried again with growing pauses, or after those that the
 * server asks for (Retry-After), when it times out, can't connect, or is answered 408, 425, 429 or 5xx. Redirects are not
 * followed: the secret is for this address alone. No message holds more of the address than its host.
 */
export class JsonEndpoint {
  private readonly limit: ReturnType<typeof pLimit>;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly host: string;

  /** Errors: TL_ENDPOINT_FORBIDDEN where TRUELINE_ENDPOINTS does not list the host; TL_ENDPOINT_SECRET where the variable is not set. */
  constructor(private readonly settings: EndpointSettings, private readonly surroundings: EndpointSurroundings = {}) {
    const environment = surroundings.environment ?? process.env;
    checkAllowed(settings.url, environment);
    this.limit = pLimit(settings.concurrency);
    this.host = hostOf(settings.url);
    this.headers = { "content-type": "application/json", accept: "application/json", ...authorization(settings, environment) };
  }

  /**
   * What the server answers to a body.
   * Errors: TL_ENDPOINT_REFUSED, TL_ENDPOINT_UNREACHABLE after the last try, TL_ENDPOINT_ANSWER where the answer is no JSON or too long;
   * the signal's reason when it is aborted.
   */
  post(body: unknown): Promise<unknown> {
    const text = JSON.stringify(body);
    return this.limit(() => this.persist(text));
  }

  private async persist(body: string): Promise<unknown> {
    const { signal, wait = (milliseconds, until) => sleep(milliseconds, undefined, { signal: until }) } = this.surroundings;
    const { retries } = this.settings;
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      const answer = await this.ask(body);
      if ("value" in answer) return answer.value;
      const pause = answer.retryAfterMilliseconds ?? backoff(attempt);
      if (attempt === retries || pause > longestRetryAfterMilliseconds) {
        const asked = pause > longestRetryAfterMilliseconds ? ` It asks to be left alone for ${Math.ceil(pause / 60_000)} minutes.` : "";
        throw new TruelineError("TL_ENDPOINT_UNREACHABLE", `${this.host} ${answer.fault}, ${attempt + 1} times.${asked}`, {
          hint: "Look whether the server is up and how many requests it allows; `concurrency`, `retries` and `timeout` in the spec say how it is asked.",
        });
      }
      await wait(pause, signal).catch((error: unknown) => {
        signal?.throwIfAborted();
        throw error;
      });
    }
  }

  private async ask(body: string): Promise<{ readonly value: unknown } | Passing> {
    const { signal } = this.surroundings;
    const { url, timeoutSeconds } = this.settings;
    const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
    try {
      const response = await fetch(url, {
        method: "POST", headers: this.headers, body, redirect: "manual", signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
      });
      const text = await this.read(response);
      if (response.ok) return { value: this.parse(text) };
      if (passing(response.status)) return { fault: `answered ${response.status}`, retryAfterMilliseconds: retryAfter(response.headers.get("retry-after")) };
      throw new TruelineError("TL_ENDPOINT_REFUSED", `${this.host} answered ${response.status}${text === "" ? "" : `: ${text.slice(0, 300)}`}`, {
        hint: response.status === 401 || response.status === 403
          ? "Its key belongs into an environment variable on the worker, whose name the spec gives in `secret`."
          : "The same request would be refused again: look at the address and the other settings in the spec.",
      });
    } catch (error) {
      if (error instanceof TruelineError) throw error;
      signal?.throwIfAborted();
      // What fetch says may hold the whole address.
      return { fault: timeout.aborted ? `did not answer within ${timeoutSeconds} s` : "can't be reached, or broke off its answer" };
    }
  }

  private async read({ body }: Response): Promise<string> {
    if (body === null) return "";
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.byteLength;
      if (bytes > mostAnswerBytes) throw new TruelineError("TL_ENDPOINT_ANSWER", `${this.host} answered with more than ${mostAnswerBytes / 2 ** 20} MiB.`, { hint: "Ask for less at once: a smaller `batch`." });
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  }

  private parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new TruelineError("TL_ENDPOINT_ANSWER", `${this.host} answered with what is no JSON: ${text.slice(0, 300)}`, { cause, hint: "Look at the address: is it that of the API, not of a page?" });
    }
  }
}

/** Who runs workers for others says which hosts they may call. */
function checkAllowed(url: string, { TRUELINE_ENDPOINTS: allowed }: Readonly<NodeJS.ProcessEnv>): void {
  if (allowed === undefined) return;
  const { host, hostname } = new URL(url);
  const hosts = allowed.split(",").map((each) => each.trim());
  if (hosts.includes(host) || hosts.includes(hostname)) return;
  throw new TruelineError("TL_ENDPOINT_FORBIDDEN", `${host} may not be called by this worker, which is allowed ${hosts.join(", ") || "no host"}.`, {
    hint: "Who runs the worker lists the hosts in TRUELINE_ENDPOINTS, parted by commas.",
  });
}

function authorization({ secret, url }: EndpointSettings, environment: Readonly<NodeJS.ProcessEnv>): Record<string, string> {
  if (secret === undefined) return {};
  const value = environment[secret];
  // A header can hold no line end: a token that was read from a file often has one.
  if (value === undefined || !/^[\x21-\x7e]+$/.test(value)) {
    throw new TruelineError("TL_ENDPOINT_SECRET", `The environment variable ${secret} with the key for ${hostOf(url)} is ${value === undefined || value === "" ? "not set" : "no token: it holds white space or other characters that a header can't have"}.`, {
      hint: `Set ${secret} where workers run; the spec holds its name alone.`,
    });
  }
  return { authorization: `Bearer ${value}` };
}

/** Doubles with each try; a random part keeps workers from coming back all at once. */
function backoff(attempt: number): number {
  return Math.min(longestWaitMilliseconds, firstWaitMilliseconds * 2 ** attempt) * (0.75 + Math.random() / 4);
}

/** Milliseconds that a Retry-After header asks for: a number of seconds, or a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\s*\d+\s*$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds * 1000);
}
