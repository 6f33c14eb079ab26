import { fewNames } from "../foundation/text.js";
import type { Comparison, Side, SpecField } from "../planner/compare.js";
import type { ComparedVariant } from "../planner/compare-variants.js";
import { sweepResults, type Pooled, type SweepResults } from "../reports/sweep-results.js";
import { templatesOf } from "../schemas/sweep.js";
import { sectionText, signed, stageText, type Labels } from "./compare-view.js";
import { table, type Output } from "./output.js";
import { figuresAtEnd } from "./sweep-report.js";
import { pooledText } from "./sweep-view.js";

/** Metrics that are shown of variants where no objective says which one counts. */
const mostMetrics = 3;
/** Names that a line lists. */
const shownNames = 12;

/**
 * A comparison of sweeps for people: fields that changed alike in several copies in one line, stages that are there once for all, and a row a variant
 * and metric.
 */
export function sweepComparisonText(comparison: Comparison, variants: readonly ComparedVariant[], before: Side, now: Side, { colors }: Pick<Output, "colors">): string {
  const labels = { before: before.label, now: now.label };
  const templates = new Map([...templatesOf(before.plan.sweep), ...templatesOf(now.plan.sweep)]);
  const alone = comparison.stages.filter(({ name }) => !templates.has(name));
  const same = alone.filter(({ standing }) => standing === "same-key" || standing === "same-bytes");
  const lines = [
    ...sectionText("Spec", foldedFields(comparison, templates), labels, colors),
    ...sectionText("Data", comparison.data, labels, colors), ...sectionText("Environment", comparison.environment, labels, colors),
    ...(same.length === 0 ? [] : [`The same in both: ${same.map(({ name }) => name).join(", ")}.`, ""]),
    ...alone.filter((stage) => !same.includes(stage)).flatMap((stage) => [...stageText(stage, labels, false, colors), ""]),
    ...variantsText(variants, [resultsOf(before), resultsOf(now)], labels, colors),
  ];
  return lines.join("\n").trimEnd();
}

/** The fields that differ; those that differ alike in several copies of a stage are one, and copies that one side alone has are left out. */
function foldedFields({ spec, stages }: Comparison, templates: ReadonlyMap<string, string>): SpecField[] {
  const lonely = new Set(stages.filter(({ name, standing }) => standing === "one" && templates.has(name)).map(({ name }) => name));
  const folds = new Map<string, SpecField[]>();
  for (const field of spec) {
    if (field.stage !== undefined && lonely.has(field.stage)) continue;
    const template = field.stage === undefined ? undefined : templates.get(field.stage);
    const key = JSON.stringify(template === undefined ? [field.name] : [template, wayIn(field), field.before, field.now]);
    folds.set(key, [...folds.get(key) ?? [], field]);
  }
  return [...folds.values()].map((fields) => {
    const [first] = fields;
    return fields.length === 1 ? first! : { ...first!, name: `stages.${templates.get(first!.stage!)!}${wayIn(first!)} (${fields.length} copies)` };
  });
}

/** The way to a field inside its stage, with a dot before it. */
const wayIn = ({ name, stage = "" }: SpecField): string => name.slice(`stages.${stage}`.length);

function resultsOf({ plan, results }: Side): SweepResults | undefined {
  return plan.sweep && sweepResults(plan.sweep, plan.stages.map(({ name, kind }) => {
    const { artifact, metrics = [], figures = {} } = results.get(name) ?? {};
    return { name, kind, state: artifact === undefined ? "waiting" : "finished", figures: artifact === undefined ? {} : figuresAtEnd(metrics, figures) };
  }));
}

/** How many variants are the same, and of the others a row each and metric, best in the second run first. */
function variantsText(variants: readonly ComparedVariant[], [before, now]: readonly [SweepResults | undefined, SweepResults | undefined], labels: Labels, colors: Output["colors"]): string[] {
  const named = (standing: ComparedVariant["standing"], only?: "before" | "now") => variants.filter((each) => each.standing === standing && each.only === only).map(({ name }) => name);
  const counts = ([
    ["the same in both", named("same")], ["other in each", named("differs")], [`only in ${labels.before}`, named("one", "before")], [`only in ${labels.now}`, named("one", "now")],
  ] as const).filter(([, names]) => names.length > 0);
  const metrics = metricsOf(before, now);
  const order = [...now?.variants ?? [], ...before?.variants ?? []].map(({ name }) => name);
  const shown = variants.filter(({ standing }) => standing !== "same").sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  const rows = shown.flatMap(({ name, standing, only, changed }) => metrics.map((metric, index) => {
    const [one, other] = [before, now].map((results) => valueOf(results, name, metric));
    return [
      index === 0 ? name : "", metric, pooledText(one, false), pooledText(other, false), one === undefined || other === undefined ? "" : signed(other.mean - one.mean),
      index > 0 ? "" : standing === "one" ? `only in ${labels[only!]}` : changed.join(", "),
    ];
  }));
  return [
    `${colors.bold("Variants")}: ${counts.map(([words, names]) => `${names.length} ${words} (${fewNames(names, shownNames)})`).join("; ")}.`,
    ...(rows.length === 0 ? [] : [table(["variant", "", labels.before, labels.now, "difference", "differs in"], rows, [2, 3, 4])]),
    ...(shown.length === 0 ? [] : ["Details: --stage with the name of a stage, or --all."]),
  ];
}

/** The metrics of the objectives; where there is none the first columns of the tables of results. */
function metricsOf(...both: readonly (SweepResults | undefined)[]): string[] {
  const objectives = new Set(both.flatMap((results) => results?.objective?.metric ?? []));
  return objectives.size > 0 ? [...objectives] : [...new Set(both.flatMap((results) => results?.columns ?? []))].slice(0, mostMetrics);
}

function valueOf(results: SweepResults | undefined, name: string, metric: string): Pooled | undefined {
  const variant = results?.variants.find((each) => each.name === name);
  return results?.objective?.metric === metric ? variant?.objective : variant?.figures[metric];
}
