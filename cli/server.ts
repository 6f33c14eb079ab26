import { TruelineError } from "../foundation/errors.js";
import { configuredAddress } from "../temporal/connection.js";
import { enterServer, holdServer, leaveServer } from "../temporal/embedded.js";
import { defineCommand, jsonOption } from "./command.js";
import { wholeNumber } from "./numbers.js";
import { openStore } from "./store.js";
import { untilStopped } from "./until-stopped.js";

const port = wholeNumber(1, 65535).optional();

/** `trueline server`: the home's embedded Temporal server, for as long as the command runs. */
export const serverCommand = defineCommand({
  name: "server",
  summary: "hold the embedded Temporal server for several commands and workers",
  details: "Runs until it is stopped with Ctrl-C. `run` starts a server of its own where none runs, and ends it afterwards.",
  examples: ["trueline server", "trueline server --port 7233"],
  options: { json: jsonOption, port: { flags: "--port <number>", summary: "port to listen on (default: a free one)", schema: port } },
  async run({ options, output }) {
    const configured = configuredAddress();
    if (configured !== undefined) {
      throw new TruelineError("TL_USAGE", `Temporal at ${configured.options.address ?? ""} is configured; no server of one's own is needed.`, {
        hint: "Unset TEMPORAL_ADDRESS, and the address in Temporal's profile, to use the embedded one.",
      });
    }
    const { home } = openStore();
    const server = await enterServer(home, output.note, options.port);
    const address = `127.0.0.1:${server.port}`;
    if (options.json) output.json({ address, home });
    else output.data(`Temporal listens on ${address} for ${home}. Ctrl-C ends it.`);
    const held = holdServer(home, output.note);
    await untilStopped();
    await held.stop();
    await leaveServer(home);
    return 0;
  },
});
