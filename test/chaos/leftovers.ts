import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "./place.js";
import { signal } from "./processes.js";
import { must, mustEqual } from "./scenario.js";

const endSeconds = 180;

/** Files of a home that nobody may leave there: locks, halves of writes, scratch, and what running processes say of themselves. */
const litter = [/\.lock(\.break)?$/, /(^|\/)\.[^/]+\.[0-9a-f]{12}$/, /^scratch\/./, /^server-users\/./, /^server\.json$/];

/** Ends what runs at a place, as people do; then there must be neither processes nor litter, and every run must pass `trueline verify`. */
export async function mustBeClean(place: Place): Promise<void> {
  signal(place.processes("command"), "SIGTERM");
  const running = await place.untilQuiet(endSeconds);
  must(running.length === 0, `${endSeconds} s after all was told to end there are still ${running.map(({ role, pid }) => `${role} ${pid}`).join(", ")}`);
  if (!existsSync(place.home)) return;
  const files = readdirSync(place.home, { recursive: true }).map(String);
  mustEqual(files.filter((path) => litter.some((pattern) => pattern.test(path))), [], `what is left in ${place.home}`);
  const { code, stdout, stderr } = await place.run("verify");
  must(code === 0, `\`trueline verify\` of ${place.home} ended with ${code}: ${stdout} ${stderr}`);
  must((await place.runs()).every((run) => existsSync(join(place.home, "ledger", `${run}.jsonl`))), "a run has no ledger");
}
