import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { thisProcess } from "../../store/processes.js";
import { presentPipelines } from "../../temporal/observe.js";

let home: string;

beforeEach(async () => { home = await mkdtemp(join(tmpdir(), "trueline-observe-")); });
afterEach(() => rm(home, { recursive: true, force: true }));

describe("the server that is there", () => {
  it("is none when the embedded one ends between the look and the call", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    server.once("connection", (socket) => { socket.destroy(); server.close(); });
    await writeFile(join(home, "server.json"), JSON.stringify({ keeper: thisProcess, port, startedAt: new Date().toISOString() }));
    expect(await presentPipelines(home)).toBeUndefined();
  });
});
