import { spawn } from "node:child_process";
import { access, constants, readdir, rename, rm, stat } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { delimiter, join } from "node:path";
import { TruelineError } from "../foundation/errors.js";
import { makeFolder } from "../foundation/files.js";
import { isAlive } from "../store/processes.js";
import { forkModule } from "./entry.js";

/** The last version that `go install` can build: later ones have replace directives in their go.mod. */
const buildable = "1.5.1";
const firstByteSeconds = 15;
const downloadSeconds = 600;
const buildSeconds = 1800;

interface Surroundings {
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  /** Says to the person what is happening. */
  readonly say: (text: string) => void;
}

/**
 * The path of a `temporal` program: on PATH, in the user's cache, by the SDK's download, or built by Go, in that order.
 * Errors: TL_TEMPORAL_UNAVAILABLE.
 */
export async function findBinary(surroundings: Surroundings): Promise<string> {
  const ways = [onPath, cached, downloaded, built];
  for (const way of ways) {
    const path = await way(surroundings);
    if (path !== undefined) return path;
  }
  throw new TruelineError("TL_TEMPORAL_UNAVAILABLE", "No Temporal server is configured, and none could be obtained: no `temporal` on PATH, no download, no Go.", {
    hint: "Install the Temporal CLI (https://docs.temporal.io/cli) or Go 1.24, or set TEMPORAL_ADDRESS to a server that runs.",
  });
}

/** Where binaries are kept for the user, outside any project. */
export function cacheDirectory(environment: Readonly<NodeJS.ProcessEnv>): string {
  return join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "trueline", "temporal");
}

async function onPath({ environment, say }: Surroundings): Promise<string | undefined> {
  const path = await programOnPath("temporal", environment);
  if (path !== undefined) say(`Using the Temporal server at ${path}.`);
  return path;
}

async function cached({ environment, say }: Surroundings): Promise<string | undefined> {
  const folder = cacheDirectory(environment);
  const versions = await readdir(folder).catch(() => []);
  for (const version of versions.sort().reverse()) {
    const path = join(folder, version, "temporal");
    if (!await isExecutable(path)) continue;
    say(`Using the Temporal server at ${path}.`);
    return path;
  }
  return undefined;
}

async function downloaded({ environment, say }: Surroundings): Promise<string | undefined> {
  const folder = join(cacheDirectory(environment), "sdk");
  const arriving = await arrivals(folder);
  say("Downloading a Temporal server …");
  if (!await runDownload(arriving)) {
    await rm(arriving, { recursive: true, force: true });
    say("The download did not work; trying to build one.");
    return undefined;
  }
  const name = (await readdir(arriving)).find((file) => file.startsWith("temporal") && !file.endsWith(".downloading"));
  if (name === undefined) return undefined;
  await rename(join(arriving, name), join(folder, "temporal"));
  await rm(arriving, { recursive: true, force: true });
  return join(folder, "temporal");
}

/** An empty folder for what this process obtains; what killed processes left of theirs is removed. */
async function arrivals(folder: string): Promise<string> {
  for (const name of await readdir(folder).catch(() => [])) {
    const [, pid] = /^arriving-(\d+)$/.exec(name) ?? [];
    const isLeft = pid !== undefined && (Number(pid) === process.pid || !isAlive({ pid: Number(pid), host: hostname(), started: "" }));
    if (isLeft) await rm(join(folder, name), { recursive: true, force: true });
  }
  const arriving = join(folder, `arriving-${process.pid}`);
  await makeFolder(arriving);
  return arriving;
}

/** The SDK's download knows no timeout: it runs in a process that is ended when no byte arrives. */
function runDownload(folder: string): Promise<boolean> {
  const child = forkModule("download", [folder], { stdio: "ignore" });
  const started = performance.now();
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      void bytesIn(folder).then((bytes) => {
        const seconds = (performance.now() - started) / 1000;
        if (seconds > downloadSeconds || (bytes === 0 && seconds > firstByteSeconds)) child.kill("SIGKILL");
      });
    }, 500);
    child.once("exit", (code) => {
      clearInterval(timer);
      resolve(code === 0);
    });
  });
}

async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(names.map((name) => stat(join(folder, name)).then((found) => found.size, () => 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function built({ environment, say }: Surroundings): Promise<string | undefined> {
  const go = await programOnPath("go", environment) ?? (await isExecutable("/usr/local/go/bin/go") ? "/usr/local/go/bin/go" : undefined);
  if (go === undefined) return undefined;
  const folder = join(cacheDirectory(environment), buildable);
  const arriving = await arrivals(folder);
  say(`Building the Temporal server ${buildable} with Go. This takes about 5 minutes on two cores, once.`);
  const fault = await runGo(go, arriving, environment);
  if (fault === undefined) await rename(join(arriving, "temporal"), join(folder, "temporal"));
  else say(`The build failed: ${fault}`);
  await rm(arriving, { recursive: true, force: true });
  return fault === undefined ? join(folder, "temporal") : undefined;
}

/** Undefined when the program was built, else the end of what Go said. */
function runGo(go: string, target: string, environment: Readonly<NodeJS.ProcessEnv>): Promise<string | undefined> {
  const child = spawn(go, ["install", `github.com/temporalio/cli/cmd/temporal@v${buildable}`], {
    env: { ...environment, GOBIN: target }, stdio: ["ignore", "ignore", "pipe"], timeout: buildSeconds * 1000,
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => { said = (said + chunk.toString()).slice(-2000); });
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code) => resolve(code === 0 ? undefined : said.trim() || `exit code ${code}`));
  });
}

async function programOnPath(name: string, environment: Readonly<NodeJS.ProcessEnv>): Promise<string | undefined> {
  for (const folder of (environment.PATH ?? "").split(delimiter).filter((each) => each !== "")) {
    const path = join(folder, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  const isFile = await stat(path).then((found) => found.isFile(), () => false);
  return isFile && await access(path, constants.X_OK).then(() => true, () => false);
}
