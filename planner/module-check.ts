import { execFile } from "node:child_process";
import { basename, extname } from "node:path";
import { TruelineError } from "../foundation/errors.js";

/** What Node.js imports as code; a name without an extension is CommonJS. */
const importable: readonly string[] = [".mjs", ".js", ".cjs", ""];
const typed: readonly string[] = [".ts", ".mts", ".cts", ".tsx", ".jsx"];

const verdicts = new Map<string, Promise<string | undefined>>();

/**
 * Checks that Node.js could load a module, without running any of it; remembered inside the process by path and content.
 * Errors: TL_REWARD_MODULE for a file of another language, and for one with a syntax error, which names its line.
 */
export async function checkModule(path: string, digest: string): Promise<void> {
  const name = basename(path);
  const extension = extname(path);
  if (!importable.includes(extension)) {
    throw new TruelineError("TL_REWARD_MODULE", `${name} is no module that Node.js imports: \`module\` takes JavaScript, .mjs, .js or .cjs.`, {
      hint: typed.includes(extension) ? `Compile it first, such as by \`npx esbuild ${name} --bundle --format=esm --platform=node --outfile=${basename(path, extension)}.mjs\`, and name what comes of it.` : "Write a module that exports `reward`; docs/rewards.md shows one.",
    });
  }
  const place = `${path}\0${digest}`;
  const verdict = verdicts.get(place) ?? syntaxErrorOf(path);
  verdicts.set(place, verdict);
  const error = await verdict;
  if (error === undefined) return;
  throw new TruelineError("TL_REWARD_MODULE", `${name} can't be loaded: ${error}.`, {
    hint: extension === ".js" && /import statement|'export'/.test(error) ? "A .js file is CommonJS unless a package.json says otherwise; name it .mjs." : "Mend it: this is what `node --check` says.",
  });
}

const longestCheck = 20_000;

/** What `node --check` finds, and where; undefined where it finds nothing, or does not come to an end. */
function syntaxErrorOf(path: string): Promise<string | undefined> {
  // Options of the user's could load code of theirs into the check.
  const { NODE_OPTIONS: _, ...environment } = process.env;
  return new Promise((resolve) => {
    execFile(process.execPath, ["--check", path], { env: environment, timeout: longestCheck }, (_error, _stdout, stderr) => {
      const found = /^SyntaxError: (.+)$/m.exec(stderr)?.[1];
      const line = /^.*:(\d+)$/m.exec(stderr)?.[1];
      resolve(found === undefined ? undefined : `${found}${line === undefined ? "" : ` in line ${line}`}`);
    });
  });
}
