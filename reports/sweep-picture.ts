import { bandsOf, drawnPanels, type SweptStage } from "./bands.js";
import type { Panel } from "./curves.js";
import { axis, drawFigure, standaloneFigure } from "./figures.js";
import { color, manyColors, moreColorRules } from "./theme.js";

const WIDTH = 960;
const COLUMNS = 3;
const PANEL = { width: WIDTH / COLUMNS, height: 220 } as const;
/** Panels of a stage; a page has all of them. */
const mostPanels = 6;
const HEADING = 34;
const LEGEND = { columns: 4, width: (WIDTH - 24) / 4, height: 22 } as const;

/** A panel with its place in the picture. */
interface Placed {
  readonly stage: SweptStage;
  readonly panel: Panel;
  readonly left: number;
  readonly top: number;
}

/**
 * The training curves of a sweep's variants as one SVG that stands alone, in light and in dark: small multiples, a line a variant with its mean over
 * seeds and their range as a band. The best variants have colours, the others are grey.
 */
export function renderSweepPicture(stages: readonly SweptStage[]): string {
  const drawn = stages.filter(({ variants }) => drawnPanels(variants).length > 0);
  const legend = legendOf((drawn[0]?.variants ?? []).map(({ name }) => name));
  const headings: object[] = [];
  const placed: Placed[] = [];
  let top = 20 + Math.ceil(legend.length / LEGEND.columns) * LEGEND.height;
  for (const stage of drawn) {
    const shown = drawnPanels(stage.variants).slice(0, mostPanels);
    headings.push({ text: stage.stage, left: 16, top, textStyle: { color: color("ink"), fontSize: 16, fontWeight: 600 } });
    shown.forEach((panel, index) => placed.push({
      stage, panel, left: (index % COLUMNS) * PANEL.width, top: top + HEADING + Math.floor(index / COLUMNS) * PANEL.height,
    }));
    top += HEADING + Math.ceil(shown.length / COLUMNS) * PANEL.height;
  }
  return standaloneFigure(drawFigure({
    backgroundColor: color("ground"),
    title: [...legend, ...headings, ...placed.map(({ panel, left, top: above }) => ({
      text: panel.title, left: left + 16, top: above, textStyle: { color: color("ink"), fontSize: 13, fontWeight: 500 },
    }))],
    grid: placed.map(({ left, top: above }) => ({ left: left + 48, top: above + 28, width: PANEL.width - 66, height: PANEL.height - 62 })),
    xAxis: placed.map((_, index) => axis({ gridIndex: index, type: "value", min: "dataMin", max: "dataMax", splitLine: { show: false }, splitNumber: 4 })),
    yAxis: placed.map((_, index) => axis({ gridIndex: index, type: "value", scale: true, splitNumber: 4 })),
    series: placed.flatMap(({ stage, panel }, index) => bandsOf(stage.variants, panel, { xAxisIndex: index, yAxisIndex: index })),
  }, { width: WIDTH, height: top }), moreColorRules);
}

/** The variants that have colours by name, and how many others there are. */
function legendOf(names: readonly string[]): object[] {
  const named = names.slice(0, manyColors.length).map((name, index) => ({ name, swatch: color(manyColors[index]!) }));
  const rest = names.length - named.length;
  return [...named, ...rest > 0 ? [{ name: `${rest} others`, swatch: color("faint") }] : []].map(({ name, swatch }, index) => ({
    text: `{swatch|▬}  ${name}`, left: 16 + (index % LEGEND.columns) * LEGEND.width, top: 12 + Math.floor(index / LEGEND.columns) * LEGEND.height,
    textStyle: { color: color("ink"), fontSize: 13, fontWeight: 400, width: LEGEND.width - 20, overflow: "truncate", rich: { swatch: { color: swatch } } },
  }));
}
