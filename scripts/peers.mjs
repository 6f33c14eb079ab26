// Makes .venv from test/peers/requirements.txt, once, and runs the comparisons with Python libraries in test/peers.
// usage: npm run peers [-- --write-fixtures] [-- vitest arguments]
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const requirements = join(root, "test/peers/requirements.txt");
const environment = join(root, ".venv");
const python = join(environment, "bin/python");
const stamp = join(environment, "requirements.txt");

function run(command, parameters, variables = {}) {
  const { status, error } = spawnSync(command, parameters, { cwd: root, stdio: "inherit", env: { ...process.env, ...variables } });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const wanted = readFileSync(requirements, "utf8");
if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
  console.error(`Installing ${requirements} into ${environment} (torch is big; minutes the first time) ...`);
  if (!existsSync(python)) run("python3", ["-m", "venv", environment]);
  run(python, ["-m", "pip", "install", "--quiet", "-r", requirements]);
  writeFileSync(stamp, wanted);
}

const given = process.argv.slice(2);
const variables = { TRUELINE_PYTHON: python };
if (given[0] === "--write-fixtures") run(process.execPath, ["--import", "tsx", "test/peers/write-fixtures.ts"], variables);
else run(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...(given.length > 0 ? given : ["test/peers"])], variables);
