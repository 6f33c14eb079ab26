import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const requirements = join(root, "bench/requirements.txt");

/** Path of a Python that has the peers, in .bench/ beside the project; installs what bench/requirements.txt pins when it changed. */
export function peerPython(): string {
  const environment = join(root, ".bench/.venv");
  const python = join(environment, "bin/python");
  const stamp = join(environment, "installed");
  const wanted = createHash("sha256").update(readFileSync(requirements)).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return python;
  mkdirSync(join(root, ".bench"), { recursive: true });
  process.stderr.write("Installing PyTorch and transformers into .bench/.venv (once, some minutes)\n");
  // pip reports on stdout, which belongs to the figures
  const quiet = { stdio: ["ignore", 2, 2] } satisfies Parameters<typeof execFileSync>[2];
  execFileSync("python3", ["-m", "venv", environment], quiet);
  execFileSync(python, ["-m", "pip", "install", "--quiet", "--requirement", requirements], quiet);
  writeFileSync(stamp, wanted);
  return python;
}
