import { readFileSync } from "node:fs";
import { z } from "zod";

const figure = z.union([z.number(), z.string(), z.record(z.string(), z.number())]);

/** What a scenario of the chaos suite came to, on one machine on one day. */
export const chaosResultSchema = z.strictObject({
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

/** docs/reliability.md, from what `npm run chaos -- --json docs/reliability.json` has measured. */
export function reliabilityDocument(): string {
  const { scenarios } = chaosReportSchema.parse(JSON.parse(readFileSync(new URL(resultsPath, import.meta.url), "utf8")));
  return [
    "# Reliability",
    "Written by `npm run schema` from `docs/reliability.json`, which the chaos suite writes. The suite runs the built program, a real Temporal "
    + "server and real training on tiny models, breaks something, and compares what is left with an undisturbed run, SHA-256 by SHA-256.",
    "```\nnpm run chaos                                  all scenarios\nnpm run chaos -- --minutes 10                 as far as ten minutes go\n"
    + "npm run chaos -- --only kills --seed 1        one of them, with the same random choices\nnpm run chaos -- --json docs/reliability.json  puts the figures here\n```",
    "It needs Linux; scenarios that mount a file system need root or `unshare -Urm`, and are skipped without.",
    ...scenarios.map(section),
  ].join("\n\n") + "\n";
}

const resultsPath = import.meta.url.endsWith(".ts") ? "reliability.json" : "../../docs/reliability.json";

function section({ name, does, holds, result, seconds, figures, because, date, seed, command, versions, processors }: ChaosResult): string {
  const rows = Object.entries(figures).map(([label, value]) => `| ${label} | ${typeof value === "object" ? Object.entries(value).map(([key, each]) => `${key} ${each}`).join(", ") : value} |`);
  return [
    `## ${name}: ${result}`, does, `Must hold: ${holds}`, ...(because === undefined ? [] : [because]),
    ...(rows.length === 0 ? [] : [["| figure | value |", "|---|---|", ...rows].join("\n")]),
    `${date}, ${seconds} s, seed ${seed}, ${processors}, Trueline ${versions.trueline ?? "?"}, Node ${versions.node ?? "?"}. Again: \`${command}\``,
  ].join("\n\n");
}
