import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const requirements = join(root, "test/peers/requirements.txt");

/** Path of a Python that has the peers: .venv in the project, filled from requirements.txt when that has changed. */
export function peerPython(): string {
  const environment = join(root, ".venv");
  const python = join(environment, "bin/python");
  const stamp = join(environment, "requirements.txt");
  const wanted = readFileSync(requirements, "utf8");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return python;
  process.stderr.write(`Installing ${requirements} into ${environment} (PyTorch is big: some minutes, once)\n`);
  // pip reports on stdout, which belongs to the caller's figures.
  const quiet = { stdio: ["ignore", 2, 2] } satisfies Parameters<typeof execFileSync>[2];
  if (!existsSync(python)) execFileSync("python3", ["-m", "venv", environment], quiet);
  execFileSync(python, ["-m", "pip", "install", "--quiet", "--requirement", requirements], quiet);
  writeFileSync(stamp, wanted);
  return python;
}

/** Folder of node modules that has transformers.js, which is too big to be a dependency: beside the Python environment, installed when it is missing. */
export function transformersJs(): string {
  const folder = join(root, ".venv", "transformers.js");
  if (existsSync(join(folder, "node_modules", "@huggingface", "transformers", "package.json"))) return folder;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies: { "@huggingface/transformers": "4.3.1" } }));
  execFileSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder, stdio: ["ignore", 2, 2] });
  return folder;
}
