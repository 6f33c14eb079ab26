import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { peerPython } from "./environment.js";

// usage: npm run peers [-- --write-fixtures | --write-parity] [-- vitest arguments]
const root = fileURLToPath(new URL("../..", import.meta.url));
const given = process.argv.slice(2);
const writesParity = given[0] === "--write-parity";
const work = given[0] === "--write-fixtures"
  ? ["--import", "tsx", "test/peers/write-fixtures.ts"]
  : writesParity ? ["node_modules/vitest/vitest.mjs", "run", "test/peers/parity.test.ts"]
  : ["node_modules/vitest/vitest.mjs", "run", ...(given.length > 0 ? given : ["test/peers"])];
const { status } = spawnSync(process.execPath, work, { cwd: root, stdio: "inherit", env: { ...process.env, TRUELINE_PYTHON: peerPython(), ...(writesParity && { TRUELINE_WRITE_PARITY: "1" }) } });
process.exitCode = status ?? 1;
