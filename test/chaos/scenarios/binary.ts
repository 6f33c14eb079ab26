import { readFileSync } from "node:fs";
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { program } from "../../e2e/program.js";
import type { Place } from "../place.js";
import { must, mustEqual, type Scenario } from "../scenario.js";

const wanted = 6;
const whole = "#!/bin/sh\n# the whole program\nexit 0\n";

export const binary: Scenario = {
  name: "binary",
  does: `Kills, ${wanted} times, a command that obtains the Temporal server's program: while it downloads, and while a slow \`go\` writes it.`,
  holds: "Nothing that was left is taken for a program; the next start builds a whole one and clears up.",
  async run(ground) {
    const place = await ground.place("binary");
    const random = ground.random("moments");
    await writeFile(join(place.directory, "find.mjs"), [
      `import { findBinary } from ${JSON.stringify(pathToFileURL(join(dirname(program), "..", "temporal", "binary.js")).href)};`,
      "console.log(await findBinary({ environment: process.env, say: (text) => console.error(text) }));",
    ].join("\n"));
    let built = 0;
    for (let kill = 0; kill < wanted; kill++) {
      // Longer in all than the latest kill waits: it must not be whole by then.
      await writeGo(place, 0.7);
      const command = find(place);
      const isBuilding = kill % 3 !== 0;
      if (isBuilding) await place.until("the build", async () => (await left(place)).some((path) => path.endsWith("temporal")));
      await sleep(random.uniform() * 1500);
      if (isBuilding) built++;
      place.killAll();
      await command.ended;
    }
    await place.untilQuiet(5);
    const before = await left(place);
    await writeGo(place, 0);
    const { stdout, stderr } = await place.finish(find(place));
    must(!/Using/.test(stderr), `what was left was taken for a program: ${stderr}`);
    mustEqual(readFileSync(stdout.trim(), "utf8"), whole, "the program");
    mustEqual((await left(place)).filter((path) => /arriving/.test(path)), [], "what is left in the cache");
    return { kills: wanted, "while it was built": built, "files left by them": before.length };
  },
};

/** With no `temporal` and no way to a download, from an empty cache. */
function find(place: Place) {
  return place.startWith({
    program: join(place.directory, "find.mjs"),
    environment: { PATH: join(place.directory, "bin"), XDG_CACHE_HOME: join(place.directory, "cache"), HTTPS_PROXY: "http://127.0.0.1:9" },
  });
}

/** A `go` that writes the program line by line. */
async function writeGo(place: Place, secondsALine: number): Promise<void> {
  const lines = whole.trimEnd().split("\n").map((line) => `printf '%s\\n' '${line}' >> "$GOBIN/temporal"; chmod +x "$GOBIN/temporal"; sleep ${secondsALine}`);
  await mkdir(join(place.directory, "bin"), { recursive: true });
  await writeFile(join(place.directory, "bin", "go"), ["#!/bin/sh", "PATH=/usr/bin:/bin", ...lines].join("\n"));
  await chmod(join(place.directory, "bin", "go"), 0o755);
}

/** Everything in the cache, by path. */
async function left(place: Place): Promise<string[]> {
  return (await readdir(join(place.directory, "cache"), { recursive: true }).catch(() => [])).map(String);
}
