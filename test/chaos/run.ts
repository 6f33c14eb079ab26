import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { chaosReportSchema, type ChaosResult } from "../../docs/reliability-document.js";
import { randomAt } from "../../foundation/random.js";
import { version } from "../../foundation/version.js";
import { mustBeClean } from "./leftovers.js";
import { outcomeOf, type Outcome } from "./outcome.js";
import { Place } from "./place.js";
import { Skipped, type Figures, type Ground, type Scenario } from "./scenario.js";
import { scenarios } from "./scenarios/index.js";

// usage: npm run chaos -- [--seed S] [--minutes N] [--only NAME[,NAME]] [--json FILE]
const { values } = parseArgs({
  options: { seed: { type: "string" }, minutes: { type: "string", default: "60" }, only: { type: "string" }, json: { type: "string" } },
});
const seed = values.seed === undefined ? randomInt(1_000_000) : Number(values.seed);
const until = performance.now() + Number(values.minutes) * 60_000;
const names = values.only?.split(",");
const unknown = names?.find((name) => !scenarios.some((each) => each.name === name));
if (unknown !== undefined) throw new Error(`There is no scenario "${unknown}". There are: ${scenarios.map(({ name }) => name).join(", ")}`);

/** As the command line to repeat a scenario alone, with the same random moments. */
const circumstances = (name: string) => ({
  date: new Date().toISOString().slice(0, 10), seed, command: `npm run chaos -- --seed ${seed} --only ${name}`,
  versions: { trueline: version, node: process.versions.node }, processors: `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`,
});

const undisturbed = new Map<string, Promise<Outcome>>();

async function runUndisturbed(spec: unknown): Promise<Outcome> {
  const place = await Place.create("chaos-reference");
  try {
    await place.write("spec.json", spec);
    await place.finish(place.start("run", "spec.json"));
    return await outcomeOf(place, (await place.runs())[0]!);
  } finally {
    await place.remove();
  }
}

async function attempt(scenario: Scenario): Promise<ChaosResult> {
  const { name, does, holds } = scenario;
  const places: Place[] = [];
  const ground: Ground = {
    random: (...path) => randomAt(seed, name, ...path),
    expected: (spec) => {
      const text = JSON.stringify(spec);
      const found = undisturbed.get(text) ?? runUndisturbed(spec);
      undisturbed.set(text, found);
      return found;
    },
    place: async (label) => {
      const place = await Place.create(`chaos-${label}`);
      places.push(place);
      return place;
    },
    say: (text) => console.error(`  ${text}`),
    left: () => until - performance.now(),
  };
  const began = performance.now();
  const ended = (result: ChaosResult["result"], figures: Figures, because?: string): ChaosResult =>
    ({ name, does, holds, result, seconds: Math.round((performance.now() - began) / 1000), figures, because, ...circumstances(name) });
  if (ground.left() <= 0) return ended("skipped", {}, "the time given with --minutes was up");
  try {
    const figures = await scenario.run(ground);
    // The newest first: it may use the server of one before.
    for (const place of [...places].reverse()) await mustBeClean(place);
    await Promise.all(places.map((place) => place.remove()));
    return ended("held", figures);
  } catch (error) {
    const because = error instanceof Error ? error.message : String(error);
    for (const place of places) place.killAll();
    if (!(error instanceof Skipped)) return ended("broken", {}, `${because} (left as it is: ${places.map(({ directory }) => directory).join(", ")})`);
    await Promise.all(places.map((place) => place.remove()));
    return ended("skipped", {}, because);
  }
}

console.log(`seed ${seed}`);
const results: ChaosResult[] = [];
for (const scenario of scenarios.filter(({ name }) => names?.includes(name) ?? true)) {
  console.error(`${scenario.name}: ${scenario.does}`);
  const result = await attempt(scenario);
  results.push(result);
  if (values.json !== undefined) await keep(values.json);
  console.log(`${result.result.padEnd(7)} ${result.name} (${result.seconds} s)  ${result.because ?? JSON.stringify(result.figures)}`);
}
for (const [result, words] of [["broken", "did not hold"], ["skipped", "not reached or not possible here"]] as const) {
  const found = results.filter((each) => each.result === result);
  if (found.length > 0) console.log(`${words}: ${found.map(({ name }) => name).join(", ")}`);
}
if (results.some(({ result }) => result === "broken")) process.exitCode = 1;

/** Puts the results in the place of earlier ones of the same scenarios; a scenario that was skipped keeps what it had. */
async function keep(path: string): Promise<void> {
  const before = existsSync(path) ? chaosReportSchema.parse(JSON.parse(await readFile(path, "utf8"))).scenarios : [];
  const kept = scenarios.flatMap(({ name }) => {
    const [now, earlier] = [results, before].map((of) => of.find((each) => each.name === name));
    return (now?.result === "skipped" ? earlier ?? now : now ?? earlier) ?? [];
  });
  await writeFile(path, `${JSON.stringify({ scenarios: kept }, undefined, 2)}\n`);
}
