import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import { TruelineError } from "../../foundation/errors.js";

/** The folder of pyproject.toml and of the package trueline_torch; the built program reads it from the sources. */
export const packageFolder = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "." : "../../../backends/torch/", import.meta.url));
const projectFolder = join(packageFolder, "../..");

const modules = ["torch", "transformers", "safetensors"];
/** vLLM brings torch and transformers in versions of its own, which the backend computes with, too. */
const vllmVersion = "0.33.0";
const lookForModules = `
import importlib.util, json, sys
print(json.dumps([name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]))
`;

/**
 * A Python that has what the torch backend needs: the one asked for, that of TRUELINE_PYTHON, or that of a .venv in the
 * working directory or the project. `more`: modules that are needed besides.
 * @throws TL_BACKEND_PYTHON_MISSING with the line that installs it.
 */
export async function findPython(asked: string | undefined = process.env["TRUELINE_PYTHON"], more: readonly "vllm"[] = []): Promise<string> {
  const environments = [...new Set([process.cwd(), projectFolder])].map((folder) => join(folder, ".venv/bin/python"));
  const python = asked ?? environments.find(existsSync);
  if (python === undefined) {
    const environment = join(projectFolder, ".venv");
    throw new TruelineError("TL_BACKEND_PYTHON_MISSING", `no Python was named, and ${environments.join(" and ")} are not there`, {
      hint: `python3 -m venv ${environment} && ${installLine(join(environment, "bin/python"))}`,
    });
  }
  const missing = await missingModules(python, [...modules, ...more]);
  if (missing.length > 0) {
    throw new TruelineError("TL_BACKEND_PYTHON_MISSING", `${python} has no ${missing.join(", ")}`, {
      hint: missing.includes("vllm") ? `Name in TRUELINE_PYTHON an environment that was made with: python3 -m venv .venv-vllm && .venv-vllm/bin/python -m pip install vllm==${vllmVersion}` : installLine(python),
    });
  }
  return python;
}

const installLine = (python: string): string => `${python} -m pip install ${packageFolder}`;

async function missingModules(python: string, names: readonly string[]): Promise<readonly string[]> {
  try {
    const { stdout } = await promisify(execFile)(python, ["-c", lookForModules, ...names]);
    return z.array(z.string()).parse(JSON.parse(stdout));
  } catch (cause) {
    throw new TruelineError("TL_BACKEND_PYTHON_MISSING", `${python} can't be run: ${cause instanceof Error ? cause.message : String(cause)}`, {
      hint: "Name a Python interpreter from 3.10 on.", cause,
    });
  }
}
