import type { PlannedSweep } from "../schemas/sweep.js";

/** A figure over the seeds of a variant. */
export interface Pooled {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** Sample standard deviation; undefined of a single value. */
  readonly deviation?: number;
  /** How many there are. */
  readonly count: number;
}

/** What is known of a stage of a run. */
export interface StageOutcome {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  /** Figures by their metric names; none of a stage that has left none. */
  readonly figures: Readonly<Record<string, number>>;
}

/** What became of a variant, its seeds pooled. */
export interface VariantResult {
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly seeds: number;
  /** How many of its stages are in each state. */
  readonly states: Readonly<Record<string, number>>;
  /** Of the sweep's objective. */
  readonly objective?: Pooled;
  /** Headline figures, by column. */
  readonly figures: Readonly<Record<string, Pooled>>;
}

export interface SweepResults {
  readonly objective?: NonNullable<PlannedSweep["objective"]>;
  /** What the figures of a column are called, in the order to be shown. */
  readonly columns: readonly string[];
  /** Best first, by the objective; those that have none last, in the spec's order. */
  readonly variants: readonly VariantResult[];
}

/** Figures of an evaluation that say most. */
const headline = ["eval/win_rate", "eval/gold", "eval/proxy", "eval/kl", "eval/length", "eval/perplexity", "eval/unfinished"];

/** The results of a sweep, a row a variant. Pure. */
export function sweepResults({ variants, objective }: PlannedSweep, stages: readonly StageOutcome[]): SweepResults {
  const outcomes = new Map(stages.map((stage) => [stage.name, stage]));
  const templates = templatesInOrder(variants, stages);
  const kindOf = (template: string) => outcomes.get(variants[0]!.stages[template]!)?.kind;
  const judged = templates.filter((template) => kindOf(template) === "evaluate" || kindOf(template) === "reward-accuracy");
  const read = columnsOf(judged.length > 0 ? judged : templates.slice(-1), (template) =>
    headlineOf(kindOf(template), [...new Set(variants.flatMap((variant) => Object.keys(outcomes.get(variant.stages[template]!)?.figures ?? {})))]));
  const rows = [...new Set(variants.map(({ name }) => name))].map((name): VariantResult => {
    const seeds = variants.filter((variant) => variant.name === name);
    // Seeds may share a stage that no seed touches: it counts once.
    const valuesOf = (template: string, metric: string) => [...new Set(seeds.map((seed) => seed.stages[template]!))].flatMap((stage) => outcomes.get(stage)?.figures[metric] ?? []);
    const own = [...new Set(seeds.flatMap((seed) => Object.values(seed.stages)))].map((stage) => outcomes.get(stage)?.state ?? "waiting");
    const goal = objective && pooled(valuesOf(objective.stage, objective.metric));
    return {
      name, settings: seeds[0]!.settings, seeds: seeds.length, states: counted(own), ...(goal !== undefined && { objective: goal }),
      figures: Object.fromEntries(read.flatMap(({ column, template, metric }) => {
        const figure = pooled(valuesOf(template, metric));
        return figure === undefined ? [] : [[column, figure] as const];
      })),
    };
  });
  const sign = objective?.goal === "minimize" ? 1 : -1;
  const rank = ({ objective: goal }: VariantResult) => goal === undefined ? Infinity : sign * goal.mean;
  const sorted = [...rows].sort((a, b) => rank(a) === rank(b) ? 0 : rank(a) - rank(b));
  const columns = read.map(({ column }) => column).filter((column) => rows.some(({ figures }) => figures[column] !== undefined));
  return { ...(objective !== undefined && { objective }), columns, variants: sorted };
}

/** What the spec calls the stages that variants differ in, in the order of the plan: a plan that was stored has its members in another. */
export function templatesInOrder(variants: PlannedSweep["variants"], stages: readonly { readonly name: string }[]): string[] {
  const place = new Map(stages.map(({ name }, index) => [name, index]));
  const { stages: first } = variants[0]!;
  return Object.keys(first).sort((a, b) => (place.get(first[a]!) ?? 0) - (place.get(first[b]!) ?? 0));
}

interface Column {
  readonly column: string;
  readonly template: string;
  readonly metric: string;
}

/** Metrics of several stages are told apart by the stage's name. */
function columnsOf(templates: readonly string[], metricsOf: (template: string) => readonly string[]): Column[] {
  return templates.flatMap((template) => metricsOf(template).map((metric) => ({ column: templates.length === 1 ? metric : `${template}: ${metric}`, template, metric })));
}

/** The figures of a stage that are shown, of all that its copies have. */
function headlineOf(kind: string | undefined, figures: readonly string[]): readonly string[] {
  if (kind === "evaluate") return headline;
  return kind === "reward-accuracy" ? figures.filter((name) => /^pairs\/.*\/accuracy$/.test(name)) : figures.slice(0, headline.length);
}

/** Mean and spread of values; undefined without any. */
export function pooled(values: readonly number[]): Pooled | undefined {
  const count = values.length;
  if (count === 0) return undefined;
  const [min, max] = [Math.min(...values), Math.max(...values)];
  // A mean of equal values may differ from them by rounding, and they would seem to spread.
  const mean = min === max ? min : values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, min, max, count, ...(count > 1 && { deviation: Math.sqrt(squares / (count - 1)) }) };
}

/** How many stages of a variant are in which state: "6 finished", "2 finished, 1 failed". */
export function statesText({ states }: Pick<VariantResult, "states">): string {
  return Object.entries(states).map(([state, count]) => `${count} ${state.replace("-", " ")}`).join(", ");
}

function counted(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
