import type { MetricsLine } from "../schemas/report.js";
import { axis, drawFigure } from "./figures.js";
import { html, Html } from "./html.js";
import { color, seriesColors } from "./theme.js";

/** The metrics of one stage, line by line. */
export interface StageCurves {
  readonly stage: string;
  readonly kind: string;
  readonly metrics: readonly MetricsLine[];
}

/** A figure of one or more metrics on one axis. It is drawn where a stage has the first of them. */
export interface Panel {
  readonly title: string;
  readonly note?: string;
  readonly metrics: readonly (readonly [name: string, label: string])[];
}

/** The figures of training, in the order they are shown. */
export const panels: readonly Panel[] = [
  { title: "Gold score", note: "Seen by nobody who trains.", metrics: [["objective/gold", "gold"]] },
  { title: "Reward model's score", note: "Normalised: 0 is the mean of reference answers.", metrics: [["objective/scores", "score"], ["objective/reward", "after shaping"]] },
  { title: "KL to the reference", note: "Nats an answer.", metrics: [["objective/kl", "KL"]] },
  { title: "Response length", note: "Tokens.", metrics: [["response/length", "length"]] },
  { title: "Perplexity", note: "Of the policy's own answers, under itself; a fall to 1 is a collapse.", metrics: [["response/perplexity", "perplexity"]] },
  { title: "Answers without an end", note: "Share cut at the cap.", metrics: [["response/unfinished", "unfinished"]] },
  { title: "Entropy", note: "Nats a token.", metrics: [["objective/entropy", "entropy"]] },
  { title: "KL coefficient", metrics: [["objective/kl_coefficient", "coefficient"]] },
  { title: "Policy loss", metrics: [["loss/policy", "loss"]] },
  { title: "Value loss", metrics: [["loss/value", "loss"]] },
  { title: "Loss on pretraining text", note: "Nats a token.", metrics: [["loss/pretraining", "loss"]] },
  { title: "Explained variance", note: "Of the returns, by the critic.", metrics: [["val/explained_variance", "share"]] },
  { title: "Change a step", note: "Approximate KL of one update.", metrics: [["policy/approxkl", "approximate KL"]] },
  { title: "Clipped ratios", note: "Share of tokens.", metrics: [["policy/clipfrac", "policy"], ["val/clipfrac", "value"]] },
  { title: "Preference loss", metrics: [["loss/reward", "loss"]] },
  { title: "Pairwise accuracy", metrics: [["rm/accuracy", "training batch"], ["rm/held_out_accuracy", "held out"]] },
  { title: "Margin", note: "Score of the preferred − the dispreferred.", metrics: [["rm/margin", "training batch"], ["rm/held_out_margin", "held out"]] },
  { title: "Loss on answers", note: "Nats a token.", metrics: [["loss/sft", "training batch"], ["sft/held_out_loss", "held out"]] },
  { title: "Language loss", note: "Nats a token.", metrics: [["loss/lm", "training batch"], ["lm/held_out_loss", "held out"]] },
];

/** Stages with more steps are drawn as means of neighbouring steps. */
const MAX_POINTS = 300;

/** The figures of a stage's training, those whose metrics it has, or nothing. */
export function stageFigures({ stage, kind, metrics }: StageCurves): Html | undefined {
  const figures = panels.flatMap((panel) => {
    const series = panel.metrics.map(([name, label]) => ({ label, points: pointsOf(metrics, name) })).filter(({ points }) => points.length > 0);
    if (series.length === 0 || !metrics.some((line) => panel.metrics[0]![0] in line)) return [];
    return html`<figure><figcaption><b>${panel.title}</b>${panel.note && html` <span>${panel.note}</span>`}</figcaption>
${new Html(curveFigure(series))}${series.length > 1 ? legend(series.map(({ label }) => label)) : undefined}</figure>`;
  });
  if (figures.length === 0) return undefined;
  return html`<section><h3>${stage} <span class="kind">${kind}, ${metrics.at(-1)?.step ?? 0} steps</span></h3><div class="figures">${figures}</div></section>`;
}

export type Point = readonly [step: number, value: number];

/** A metric over steps, where it is known. */
export function pointsOf(metrics: readonly MetricsLine[], name: string): Point[] {
  return metrics.flatMap((line) => (line[name] === undefined ? [] : [[line.step, line[name]] as const]));
}

/** Means of neighbouring points, so that at most `most` are left. */
export function thinned(points: readonly Point[], most = MAX_POINTS): readonly Point[] {
  const size = Math.ceil(points.length / most);
  if (size <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, index) => {
    const some = points.slice(index * size, (index + 1) * size);
    const mean = (place: 0 | 1) => some.reduce((sum, point) => sum + point[place], 0) / some.length;
    return [mean(0), mean(1)] as const;
  });
}

/** Centred means over a twentieth of the curve: what the eye should follow in a noisy one. */
export function smoothed(points: readonly Point[]): readonly Point[] {
  // A mean of equal values may differ from them by rounding, and the axis would show it.
  if (points.every(([, value]) => value === points[0]![1])) return points;
  const reach = Math.floor(points.length / 40);
  return points.map(([step], index) => {
    const some = points.slice(Math.max(0, index - reach), index + reach + 1);
    return [step, some.reduce((sum, [, value]) => sum + value, 0) / some.length];
  });
}

function curveFigure(series: readonly { readonly points: readonly Point[] }[]): string {
  return drawFigure({
    grid: { left: 4, right: 14, top: 10, bottom: 4, containLabel: true },
    xAxis: axis({ type: "value", min: "dataMin", max: "dataMax", splitLine: { show: false }, splitNumber: 4 }),
    yAxis: axis({ type: "value", scale: true, splitNumber: 4 }),
    series: series.flatMap(({ points }, index) => {
      const shown = thinned(points);
      const line = (data: readonly Point[], style: object) => ({
        type: "line", silent: true, symbol: shown.length > 12 ? "none" : "circle", symbolSize: 5, data,
        itemStyle: { color: color(seriesColors[index]!) }, lineStyle: { color: color(seriesColors[index]!), width: 2, ...style },
      });
      return shown.length < 60 ? [line(shown, {})] : [line(shown, { width: 1, opacity: 0.3 }), line(smoothed(shown), {})];
    }),
  }, { width: 350, height: 190 });
}

function legend(labels: readonly string[]): Html {
  return html`<p class="legend">${labels.map((label, index) => html`<i class="${seriesColors[index]!}"></i>${label} `)}</p>`;
}
