import { sha256 } from "../foundation/canonical.js";
import { BarChart, CustomChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { LegacyGridContainLabel } from "echarts/features";
import { init, use, type EChartsCoreOption } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { color, darkFigureRules } from "./theme.js";

use([BarChart, CustomChart, LineChart, GridComponent, LegacyGridContainLabel, LegendComponent, TitleComponent, SVGRenderer]);

export const FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC', sans-serif";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Draws a figure as SVG markup, in the same bytes for the same option. No browser is involved. */
export function drawFigure(option: EChartsCoreOption, { width, height }: Size): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: FONT, color: color("ink") }, ...option });
    return withOwnNames(chart.renderToSVGString());
  } finally {
    chart.dispose();
  }
}

/** A figure that is a file of its own: with its ground, and with its dark colours for readers in the dark; `more` are rules for colours beyond. */
export function standaloneFigure(svg: string, more = ""): string {
  return svg.replace(/(<svg[^>]*>)/, `$1<style>${darkFigureRules}${more}</style>`);
}

/** An axis in the page's manner; more settings go on top. */
export function axis(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    axisLine: { show: false }, axisTick: { show: false },
    axisLabel: { color: color("faint"), fontSize: 11, hideOverlap: true },
    splitLine: { lineStyle: { color: color("line") } },
    nameTextStyle: { color: color("faint"), fontSize: 11 },
    ...settings,
  };
}

/**
 * The renderer numbers its elements through the life of the process; two figures on a page must not share a name, and the
 * same figure should have the same bytes. Names become a digest of the figure itself.
 */
function withOwnNames(svg: string): string {
  const order = new Map<string, number>();
  const neutral = svg.replace(/zr\d+-(c|cls-|g|p|s)(\d+)/g, (name) => {
    if (!order.has(name)) order.set(name, order.size);
    return `@@${order.get(name)!}`;
  });
  const digest = sha256(neutral).slice(0, 8);
  return neutral.replace(/@@(\d+)/g, `f${digest}-$1`);
}
