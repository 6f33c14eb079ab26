import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { peerPython } from "./environment.js";

// usage: npm run peers [-- --write-fixtures | --write-parity | --write-oracles] [-- vitest arguments]
const root = fileURLToPath(new URL("../..", import.meta.url));
const given = process.argv.slice(2);
const tables: Readonly<Record<string, { readonly test: string; readonly variable: string }>> = {
  "--write-parity": { test: "test/peers/parity.test.ts", variable: "TRUELINE_WRITE_PARITY" },
  "--write-oracles": { test: "test/peers/trl.test.ts", variable: "TRUELINE_WRITE_ORACLES" },
};
const table = tables[given[0] ?? ""];
const vitest = ["node_modules/vitest/vitest.mjs", "run"];
const work = given[0] === "--write-fixtures"
  ? ["--import", "tsx", "test/peers/write-fixtures.ts"]
  : [...vitest, ...(table ? [table.test] : given.length > 0 ? given : ["test/peers"])];
const { status } = spawnSync(process.execPath, work, { cwd: root, stdio: "inherit", env: { ...process.env, TRUELINE_PYTHON: peerPython(), ...(table && { [table.variable]: "1" }) } });
process.exitCode = status ?? 1;
