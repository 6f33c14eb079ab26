import { z } from "zod";

const breach = z.object({ step: z.number(), metric: z.string(), value: z.number().optional(), bound: z.string() });

/** docs/guarded-vanilla.json, which bench/guarded-figures.ts writes. */
export const guardedFiguresSchema = z.object({
  spec: z.object({ path: z.string(), digest: z.string() }),
  versions: z.record(z.string(), z.string()),
  guarded: z.object({
    run: z.string(), stopped: z.array(breach.extend({ stage: z.string(), seed: z.number(), of: z.number(), guard: z.string() })),
  }),
  unguarded: z.object({
    run: z.string(),
    stages: z.array(z.object({
      stage: z.string(), seed: z.number(), steps: z.number(), endsAfter: z.number().optional(),
      guards: z.record(z.string(), z.object({ breach: breach.optional(), recorded: z.boolean() })),
      watched: z.record(z.string(), z.object({ then: z.number().optional(), last: z.number() })),
    })),
  }),
});

export type GuardedFigures = z.input<typeof guardedFiguresSchema>;

/** Columns of the second table. */
export const guardColumns = ["kl", "length", "repeats", "overoptimised", "held-out"] as const;

/** The rows of the two tables in docs/guards.md. */
export function guardedTables({ guarded, unguarded }: GuardedFigures): string[] {
  const without = (name: string) => unguarded.stages.find(({ stage }) => stage === name)!;
  const saved = guarded.stopped.map(({ stage, seed, step, of, guard, value = NaN }) => {
    const gold = without(stage).watched["objective/gold"];
    return `| ${seed} | ${guard}, ${value.toFixed(1)} | ${step} | ${of - step} of ${of} | ${gold?.then?.toFixed(2) ?? ""} | ${gold?.last.toFixed(2) ?? ""} |`;
  });
  const alone = unguarded.stages.map(({ stage, guards }) =>
    `| ${stage} | ${guardColumns.map((name) => guards[name]?.breach?.step ?? "–").join(" | ")} |`);
  return [...saved, ...alone];
}
