import { availableParallelism } from "node:os";
import { processSchema } from "../store/processes.js";
import { leaveServer } from "./embedded.js";
import { enterAddress } from "./connection.js";
import { gpusFrom } from "./own-gpus.js";
import { startWorker } from "./worker.js";

// The worker that `run` and `resume` start: it lives as long as its parent, and saves a checkpoint when that is gone.

const [home, parent, slots] = process.argv.slice(2) as [string, string, string | undefined];
// Ctrl-C reaches the whole group; what it means is the parent's to say.
process.on("SIGINT", () => undefined);
// A log that a full disk has no room for ends no training.
process.stderr.on("error", () => undefined);

const address = await enterAddress(home, (text) => console.error(text));
const worker = await startWorker(home, address, {
  cpus: availableParallelism(), ...gpusFrom(process.env), command: processSchema.parse(JSON.parse(parent)), ...(slots !== undefined && { slots: Number(slots) }),
});
process.once("disconnect", worker.stop);
process.once("SIGTERM", worker.stop);
if (!process.connected) worker.stop();
process.send?.("ready");
await worker.done;
await leaveServer(home);
process.exit(0);
