/** Colours by use: as they are in a figure's markup (light), and what they become on a dark ground. */
const colors = {
  ink: ["#1d2430", "#e6e9ef"],
  faint: ["#6a7383", "#98a1b1"],
  line: ["#dfe3ea", "#2f3642"],
  ground: ["#ffffff", "#14181f"],
  panel: ["#f6f7f9", "#1c222b"],
  blue: ["#2464c8", "#6ea3f5"],
  orange: ["#c9541c", "#f0915c"],
  green: ["#1f8a5b", "#55c493"],
  purple: ["#7a4bc2", "#b193ea"],
} as const satisfies Record<string, readonly [string, string]>;

export type ColorName = keyof typeof colors;

/** The colour as it stands in a figure's markup. */
export function color(name: ColorName): string {
  return colors[name][0];
}

/** Colours of series that are told apart, in order. */
export const seriesColors: readonly ColorName[] = ["blue", "orange", "green", "purple"];

const names = Object.keys(colors) as ColorName[];

/** Rules that give a figure its dark colours where the reader's system is dark; a figure alone and a page use the same. */
export const darkFigureRules = `@media (prefers-color-scheme: dark) {${names.map((name) => {
  const [light, dark] = colors[name];
  return `svg [fill="${light}"]{fill:${dark}}svg [stroke="${light}"]{stroke:${dark}}`;
}).join("")}}`;

/** The same colours as custom properties of a page. */
export const colorProperties = `:root{color-scheme:light dark;${properties(0)}}@media (prefers-color-scheme: dark){:root{${properties(1)}}}`;

function properties(scheme: 0 | 1): string {
  return names.map((name) => `--${name}:${colors[name][scheme]};`).join("");
}
