import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = fileURLToPath(new URL(".", import.meta.url));

/** The Python with test/peers/requirements.txt installed; `npm run peers` makes one and names it. */
export const python = process.env.TRUELINE_PYTHON;

/** Why a comparison is skipped, for the name of its suite. */
export const needsPython = python === undefined ? " (skipped: `npm run peers` runs it, with Python)" : "";

/** Runs a script of this folder and returns what it printed. */
export async function runScript(script: string, ...parameters: readonly string[]): Promise<string> {
  if (python === undefined) throw new Error("TRUELINE_PYTHON is not set");
  const { stdout } = await promisify(execFile)(python, [`${here}/${script}`, ...parameters], {
    cwd: here, maxBuffer: 1 << 28, env: { ...process.env, TRANSFORMERS_OFFLINE: "1", HF_HUB_OFFLINE: "1", TOKENIZERS_PARALLELISM: "false", PYTHONDONTWRITEBYTECODE: "1" },
  });
  return stdout;
}
