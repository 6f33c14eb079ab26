import { counted, fewNames } from "../foundation/text.js";
import { statesText, type Pooled, type SweepResults } from "../reports/sweep-results.js";
import type { Plan } from "../schemas/plan.js";
import { templatesOf, type PlannedSweep } from "../schemas/sweep.js";
import { number, table } from "./output.js";

/** Stages that are told in one line: a stage alone, or copies of a sweep that are alike in what is told. */
export interface Fold<Item> {
  readonly label: string;
  readonly items: readonly [Item, ...Item[]];
}

/** Folds what is told of copies of one stage and is `alike`; all else stands alone. With `all` nothing is folded. */
export function foldCopies<Item>(
  { sweep }: Pick<Plan, "sweep">, items: readonly Item[], nameOf: (item: Item) => string, alike: (item: Item) => string, all = false,
): Fold<Item>[] {
  const templates = all ? new Map<string, string>() : templatesOf(sweep);
  const folds = new Map<string, [Item, ...Item[]]>();
  for (const item of items) {
    const name = nameOf(item);
    const template = templates.get(name);
    const key = JSON.stringify(template === undefined ? [name] : [template, alike(item)]);
    const fold = folds.get(key);
    if (fold === undefined) folds.set(key, [item]);
    else fold.push(item);
  }
  const copies = (template: string) => [...templates.values()].filter((each) => each === template).length;
  return [...folds.values()].map((found) => {
    const names = found.map(nameOf);
    const template = templates.get(names[0]!);
    const count = template === undefined ? 1 : copies(template);
    if (names.length > 1 && names.length === count) return { label: `${template} × ${count}`, items: found };
    return { label: names.length <= 3 ? names.join(", ") : `${template} × ${names.length} of ${count}`, items: found };
  });
}

/** What a sweep is, in a sentence. */
export function sweepText({ variants, parallel }: PlannedSweep, stages: readonly Pick<Plan["stages"][number], "name">[]): string {
  const dimensions = [...new Set(variants.flatMap(({ settings }) => Object.keys(settings)))];
  const factors = [
    ...dimensions.map((name) => `${new Set(variants.map(({ settings }) => settings[name])).size} of ${name}`),
    ...(variants.some(({ seed }) => seed !== "") ? [counted(new Set(variants.map(({ seed }) => seed)).size, "seed")] : []),
  ];
  const templates = templatesOf({ variants });
  const shared = stages.filter(({ name }) => !templates.has(name)).map(({ name }) => name);
  return [
    `Sweep: ${counted(variants.length, "variant")} (${factors.join(" × ")}), ${counted(templates.size, "stage")} of theirs`,
    shared.length === 0 ? "" : `; once for all: ${fewNames(shared, 12)}`, parallel === undefined ? "" : `; at most ${counted(parallel, "stage")} of variants at once`, ".",
  ].join("");
}

/** A row a variant: the objective with its range, then the headline figures. */
export function resultsText({ objective, columns, variants }: SweepResults): string {
  const shown = columns.filter((column) => column !== objective?.metric);
  const rows = variants.map((variant) => [
    variant.name, String(variant.seeds), ...(objective === undefined ? [] : [pooledText(variant.objective, true)]), ...shown.map((column) => pooledText(variant.figures[column], false)), statesText(variant),
  ]);
  const titles = [...(objective === undefined ? [] : [objective.metric]), ...shown];
  return table(["variant", "seeds", ...titles.map((title) => title.replace(/eval\//, "")), "stages"], rows, [1, ...titles.map((_, index) => index + 2)]);
}

/** A figure with its deviation over the seeds, and its range; empty where there is none. */
export function pooledText(value: Pooled | undefined, withRange: boolean): string {
  if (value === undefined) return "";
  const { mean, min, max, deviation } = value;
  if (deviation === undefined) return number(mean);
  return `${number(mean)} ± ${number(deviation)}${withRange ? ` [${number(min)}, ${number(max)}]` : ""}`;
}
