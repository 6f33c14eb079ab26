import { z } from "zod";
import { readJson } from "./read-json.js";

const figure = z.union([z.number(), z.string(), z.record(z.string(), z.number())]);

/** What a scenario of the chaos suite came to, on one machine on one day. */
const chaosResultSchema = z.strictObject({
  name: z.string(), does: z.string(), holds: z.string(),
  result: z.enum(["held", "broken", "skipped"]),
  seconds: z.number(), figures: z.record(z.string(), figure),
  /** What did not hold, or why it was skipped. */
  because: z.string().optional(),
  date: z.string(), seed: z.number().int(), command: z.string(),
  versions: z.record(z.string(), z.string()), processors: z.string(),
});
export const chaosReportSchema = z.strictObject({ scenarios: z.array(chaosResultSchema) });
export type ChaosResult = z.output<typeof chaosResultSchema>;

/** What `npm run fuzz -- --write` has counted. */
const fuzzSchema = z.strictObject({
  seed: z.number().int(),
  specs: z.strictObject({ plans: z.number(), faults: z.number(), withFiles: z.number() }),
  readings: z.record(z.string(), z.strictObject({ read: z.number(), refused: z.number() })),
  /** By command. */
  programs: z.record(z.string(), z.number()),
  faults: z.number(), seconds: z.number(),
});
export type FuzzSummary = z.output<typeof fuzzSchema>;

/** docs/reliability.md, from docs/reliability.json and docs/fuzz.json. */
export function reliabilityDocument(): string {
  return reliabilityText(readJson("docs/reliability.json", chaosReportSchema).scenarios, readJson("docs/fuzz.json", fuzzSchema));
}

/** The page for what the chaos suite and the fuzzer have found. Pure. */
export function reliabilityText(scenarios: readonly ChaosResult[], fuzz: FuzzSummary): string {
  return [
    "# Reliability",
    "Written by `npm run schema` from `docs/reliability.json`, which the chaos suite writes, and `docs/fuzz.json`, which the fuzzer writes. The suite runs the "
    + "built program, a real Temporal server and real training on tiny models, breaks something, and compares what is left with an undisturbed run, SHA-256 by "
    + "SHA-256. After each scenario `trueline verify` has to pass on every run it made, and no process, lock or scratch file may be left.",
    "```\nnpm run chaos                                  all scenarios\nnpm run chaos -- --minutes 10                 as far as ten minutes go\n"
    + "npm run chaos -- --only kills --seed 1        one of them, with the same random choices\nnpm run chaos -- --json docs/reliability.json  puts the figures here\n"
    + "npm run fuzz -- --seed 1 --write              the figures of the fuzzer\n```",
    "It needs Linux; scenarios that mount a file system need root or `unshare -Urm`, and are skipped without. It ends with 1 where something did not hold.",
    ["| | | seconds |", "|---|---|---|", ...scenarios.map(({ name, result, seconds }) => `| [${name}](#${anchor(name, result)}) | ${result} | ${seconds} |`),
      `| [fuzz](#${anchor("fuzz", fuzzResult(fuzz))}) | ${fuzzResult(fuzz)} | ${fuzz.seconds} |`].join("\n"),
    ...scenarios.map(section), fuzzSection(fuzz),
  ].join("\n\n") + "\n";
}

/** GitHub's anchor of a heading. */
function anchor(name: string, result: string): string {
  return `${name}-${result}`;
}

function section({ name, does, holds, result, seconds, figures, because, date, seed, command, versions, processors }: ChaosResult): string {
  const rows = Object.entries(figures).map(([label, value]) => `| ${label} | ${typeof value === "object" ? Object.entries(value).map(([key, each]) => `${key} ${each}`).join(", ") : value} |`);
  const found = because === undefined ? [] : [`${result === "skipped" ? "Not run" : "Did not hold"}: ${because}`];
  return [
    `## ${name}: ${result}`, does, `Must hold: ${holds}`, ...found,
    ...(rows.length === 0 ? [] : [["| figure | value |", "|---|---|", ...rows].join("\n")]),
    `${date}, ${seconds} s, seed ${seed}, ${processors}, Trueline ${versions.trueline ?? "?"}, Node ${versions.node ?? "?"}. Again: \`${command}\``,
  ].join("\n\n");
}

function fuzzResult({ faults }: FuzzSummary): "held" | "broken" {
  return faults === 0 ? "held" : "broken";
}

function fuzzSection(fuzz: FuzzSummary): string {
  const { seed, specs, readings, programs, faults, seconds } = fuzz;
  const files = Object.values(readings);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);
  const commands = Object.entries(programs);
  const rows: readonly (readonly [string, string])[] = [
    ["mutated specs, checked in-process", `${specs.plans + specs.faults}: ${specs.plans} still were plans, ${specs.faults} were refused; ${specs.withFiles} with the files they name looked for`],
    ["through the built program", `${sum(commands.map(([, count]) => count))}: ${commands.map(([command, count]) => `${command} ${count}`).join(", ")}`],
    ["mutated files, through what reads them", `${sum(files.map(({ read, refused }) => read + refused))} of ${files.length} kinds: ${sum(files.map(({ read }) => read))} could be read, ${sum(files.map(({ refused }) => refused))} were refused`],
    ["faults", String(faults)],
  ];
  return [
    `## fuzz: ${fuzzResult(fuzz)}`,
    "Mutates specs, data, models, tokenizers and records of the store, and gives them to all that reads them.",
    "Must hold: None crashes the program or hangs it, reaches a worker, or writes anything; what is refused is refused with a code. [security.md](security.md) says with which.",
    ["| figure | value |", "|---|---|", ...rows.map(([label, value]) => `| ${label} | ${value} |`)].join("\n"),
    `${seconds} s, seed ${seed}. Again: \`npm run fuzz -- --seed ${seed}\``,
  ].join("\n\n");
}
