import { fewNames } from "../foundation/text.js";
import type { Plan } from "../schemas/plan.js";
import { templatesOf, type PlannedSweep } from "../schemas/sweep.js";

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
    const isWhole = template !== undefined && names.length > 1 && names.length === copies(template);
    return { label: isWhole ? `${template} × ${names.length}` : fewNames(names, 2), items: found };
  });
}

/** What a sweep is, in a sentence. */
export function sweepText({ variants, parallel }: PlannedSweep, stages: readonly Pick<Plan["stages"][number], "name">[]): string {
  const dimensions = [...new Set(variants.flatMap(({ settings }) => Object.keys(settings)))];
  const factors = [
    ...dimensions.map((name) => `${new Set(variants.map(({ settings }) => settings[name])).size} of ${name}`),
    ...(variants.some(({ seed }) => seed !== "") ? [`${new Set(variants.map(({ seed }) => seed)).size} seeds`] : []),
  ];
  const templates = templatesOf({ variants });
  const shared = stages.filter(({ name }) => !templates.has(name)).map(({ name }) => name);
  return [
    `Sweep: ${variants.length} ${variants.length === 1 ? "variant" : "variants"} (${factors.join(" × ")}), ${templates.size} stages of theirs`,
    shared.length === 0 ? "" : `; once for all: ${fewNames(shared, 12)}`, parallel === undefined ? "" : `; at most ${parallel} stages of variants at once`, ".",
  ].join("");
}
