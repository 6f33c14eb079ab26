import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { onTestFinished } from "vitest";

/** A request that a test's server got. */
export interface Received {
  readonly body: unknown;
  readonly headers: IncomingMessage["headers"];
}

/** How a server answers; JSON unless `text` is given. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly text?: string;
  /** Never answers. */
  readonly hang?: true;
}

/** A server on this machine for the length of a test. `respond` gives the answer to each request, `received` all of them. */
export async function serve(respond: (request: Received, count: number) => Answer | Promise<Answer>): Promise<{ readonly url: string; readonly received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    void read(request).then(async (text) => {
      const one = { body: JSON.parse(text) as unknown, headers: request.headers };
      received.push(one);
      answer(response, await respond(one, received.length));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return { url: `http://127.0.0.1:${address.port}/v1/chat/completions?key=hidden`, received };
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString("utf8");
}

function answer(response: ServerResponse, { status = 200, headers = {}, json, text, hang }: Answer): void {
  if (hang) return;
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(text ?? JSON.stringify(json));
}
