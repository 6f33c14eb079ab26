import { enterServer } from "../../temporal/embedded.js";

// A process that uses a home's server until it is killed.
const [home] = process.argv.slice(2) as [string];
const server = await enterServer(home, () => undefined);
process.send?.(server.port);
setInterval(() => undefined, 1000);
