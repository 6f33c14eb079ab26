import { expect, it } from "vitest";
import { JsonEndpoint, type EndpointSettings, type EndpointSurroundings } from "../../../foundation/http/json-endpoint.js";
import { serve, type Answer } from "./server.js";

const settings: Omit<EndpointSettings, "url"> = { timeoutSeconds: 20, retries: 3, concurrency: 2 };

/** An endpoint whose pauses are noted and not waited for. */
function endpoint(url: string, changes: Partial<EndpointSettings> = {}, surroundings: EndpointSurroundings = {}) {
  const pauses: number[] = [];
  const wait = async (milliseconds: number) => { pauses.push(milliseconds); };
  return { pauses, asked: new JsonEndpoint({ ...settings, url, ...changes }, { wait, ...surroundings }) };
}

/** Answers in turn, the last one for ever. */
const inTurn = (...answers: Answer[]) => (_: unknown, count: number) => answers[Math.min(count, answers.length) - 1]!;

it("a body is posted as JSON, with the token that the named variable holds", async () => {
  const { url, received } = await serve(() => ({ json: { scores: [1] } }));
  const { asked } = endpoint(url, { secret: "TRUELINE_SECRET_X" }, { environment: { TRUELINE_SECRET_X: "abc" } });
  expect(await asked.post({ a: "ü" })).toEqual({ scores: [1] });
  expect(received).toMatchObject([{ body: { a: "ü" }, headers: { authorization: "Bearer abc", "content-type": "application/json" } }]);
});

it("a variable that is not set, or holds more than a token, is said before anything is sent", () => {
  const url = "http://127.0.0.1:1/";
  const made = (environment: NodeJS.ProcessEnv) => () => new JsonEndpoint({ ...settings, url, secret: "TRUELINE_SECRET_X" }, { environment });
  expect(made({})).toThrow(expect.objectContaining({ code: "TL_ENDPOINT_SECRET", message: expect.stringContaining("TRUELINE_SECRET_X") }));
  expect(made({ TRUELINE_SECRET_X: "" })).toThrow("not set");
  expect(made({ TRUELINE_SECRET_X: "abc\n" })).toThrow("white space");
});

it("only hosts that TRUELINE_ENDPOINTS lists are called, where it is set", async () => {
  const { url, received } = await serve(() => ({ json: 1 }));
  const { host } = new URL(url);
  const made = (hosts: string) => endpoint(url, {}, { environment: { TRUELINE_ENDPOINTS: hosts } }).asked;
  for (const hosts of [`x.example, ${host}`, "127.0.0.1"]) expect(await made(hosts).post({})).toBe(1);
  for (const hosts of ["", "x.example", `sub.${host}`, "127.0.0.1:1"]) {
    expect(() => made(hosts)).toThrow(expect.objectContaining({ code: "TL_ENDPOINT_FORBIDDEN", message: expect.stringContaining(host) }));
  }
  expect(received).toHaveLength(2);
});

it.each([408, 425, 429, 500, 502, 503, 529])("%i is tried again", async (status) => {
  const { url, received } = await serve(inTurn({ status, text: "" }, { json: 7 }));
  expect(await endpoint(url).asked.post({})).toBe(7);
  expect(received).toHaveLength(2);
});

it.each([400, 401, 404, 422])("%i is not tried again, and what the server says is told", async (status) => {
  const { url, received } = await serve(() => ({ status, text: "no such model" }));
  await expect(endpoint(url).asked.post({})).rejects.toMatchObject({ code: "TL_ENDPOINT_REFUSED", message: expect.stringMatching(new RegExp(`answered ${status}: no such model`)) });
  expect(received).toHaveLength(1);
});

it("a redirect is not followed: the token is for this address", async () => {
  const other = await serve(() => ({ json: 1 }));
  const { url } = await serve(() => ({ status: 307, headers: { location: other.url }, text: "" }));
  await expect(endpoint(url).asked.post({})).rejects.toMatchObject({ code: "TL_ENDPOINT_REFUSED" });
  expect(other.received).toHaveLength(0);
});

it("pauses double from half a second to half a minute, and a part of them is random", async () => {
  const { url } = await serve(() => ({ status: 503, text: "" }));
  const { asked, pauses } = endpoint(url, { retries: 9 });
  await expect(asked.post({})).rejects.toMatchObject({ code: "TL_ENDPOINT_UNREACHABLE", message: expect.stringContaining("answered 503, 10 times") });
  expect(pauses).toHaveLength(9);
  pauses.forEach((pause, index) => {
    const longest = Math.min(30_000, 500 * 2 ** index);
    expect(pause).toBeLessThanOrEqual(longest);
    expect(pause).toBeGreaterThanOrEqual(0.75 * longest);
  });
});

it("Retry-After is obeyed, in seconds or as a date", async () => {
  const soon = new Date(Date.now() + 100_000).toUTCString();
  const { url } = await serve(inTurn({ status: 429, headers: { "retry-after": "7" }, text: "" }, { status: 503, headers: { "retry-after": soon }, text: "" }, { json: 1 }));
  const { asked, pauses } = endpoint(url);
  await asked.post({});
  expect(pauses[0]).toBe(7000);
  expect(pauses[1]).toBeGreaterThan(90_000);
  expect(pauses[1]).toBeLessThanOrEqual(100_000);
});

it("a server that wants an hour is not waited for", async () => {
  const { url, received } = await serve(() => ({ status: 429, headers: { "retry-after": "3600" }, text: "" }));
  await expect(endpoint(url).asked.post({})).rejects.toMatchObject({ code: "TL_ENDPOINT_UNREACHABLE", message: expect.stringContaining("60 minutes") });
  expect(received).toHaveLength(1);
});

it("a request without an answer is given up and tried again; so is a server that is not there", async () => {
  const { url } = await serve(inTurn({ hang: true }, { json: 1 }));
  expect(await endpoint(url, { timeoutSeconds: 0.2 }).asked.post({})).toBe(1);
  const gone = endpoint("http://127.0.0.1:1/?key=hidden", { retries: 1 });
  await expect(gone.asked.post({})).rejects.toMatchObject({ code: "TL_ENDPOINT_UNREACHABLE", message: expect.stringContaining("127.0.0.1:1 can't be reached") });
});

it("no message holds more of the address than its host", async () => {
  const { url } = await serve(() => ({ status: 500, text: "" }));
  await expect(endpoint(url, { retries: 0 }).asked.post({})).rejects.toSatisfy((error) => !String(error).includes("hidden"));
});

it("what is no JSON, and what is too long, is refused", async () => {
  const page = await serve(() => ({ text: "<html>" }));
  await expect(endpoint(page.url).asked.post({})).rejects.toMatchObject({ code: "TL_ENDPOINT_ANSWER", message: expect.stringContaining("<html>") });
  const long = await serve(() => ({ text: JSON.stringify("a".repeat(17 * 2 ** 20)) }));
  await expect(endpoint(long.url).asked.post({})).rejects.toMatchObject({ code: "TL_ENDPOINT_ANSWER", message: expect.stringContaining("more than 16 MiB") });
});

it("no more requests are under way at once than allowed", async () => {
  let [now, most] = [0, 0];
  const { url } = await serve(async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
    now--;
    return { json: 1 };
  });
  const { asked } = endpoint(url);
  await Promise.all(Array.from({ length: 8 }, () => asked.post({})));
  expect(most).toBe(2);
});

it("a signal ends a request, and a pause, at once", async () => {
  const hanging = await serve(() => ({ hang: true }));
  const stop = new AbortController();
  const request = endpoint(hanging.url, {}, { signal: stop.signal }).asked.post({});
  setTimeout(() => stop.abort(new Error("stopped")), 30);
  await expect(request).rejects.toThrow("stopped");
  const busy = await serve(() => ({ status: 429, headers: { "retry-after": "500" }, text: "" }));
  const later = new AbortController();
  const pausing = new JsonEndpoint({ ...settings, url: busy.url }, { signal: later.signal }).post({});
  setTimeout(() => later.abort(), 100);
  await expect(pausing).rejects.toMatchObject({ name: "AbortError" });
});
