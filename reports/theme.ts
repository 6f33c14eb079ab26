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

/** More series than that are told apart on pages and pictures of sweeps alone, which have `moreColorRules`. */
const moreColors = {
  red: ["#c0304a", "#f07f92"],
  teal: ["#11808c", "#4cc2ce"],
  brown: ["#8a6212", "#cfa552"],
  pink: ["#b63e9b", "#e68dd2"],
} as const satisfies Record<string, readonly [string, string]>;

export type ColorName = keyof typeof colors | keyof typeof moreColors;

const allColors: Readonly<Record<ColorName, readonly [string, string]>> = { ...colors, ...moreColors };

/** The colour as it stands in a figure's markup. */
export function color(name: ColorName): string {
  return allColors[name][0];
}

/** Colours of series that are told apart, in order. */
export const seriesColors: readonly ColorName[] = ["blue", "orange", "green", "purple"];

/** The same where there are many; more than these can't be told apart. */
export const manyColors: readonly ColorName[] = [...seriesColors, ...namesOf(moreColors)];

/** Rules that give a figure its dark colours where the reader's system is dark; a figure alone and a page use the same. */
export const darkFigureRules = darkRules(namesOf(colors));

/** The same colours as custom properties of a page. */
export const colorProperties = properties(namesOf(colors), "color-scheme:light dark;");

/** What a page or a picture adds to both for `manyColors`. */
export const moreColorRules = properties(namesOf(moreColors)) + darkRules(namesOf(moreColors));

function darkRules(names: readonly ColorName[]): string {
  return `@media (prefers-color-scheme: dark) {${names.map((name) => {
    const [light, dark] = allColors[name];
    return `svg [fill="${light}"]{fill:${dark}}svg [stroke="${light}"]{stroke:${dark}}`;
  }).join("")}}`;
}

function properties(names: readonly ColorName[], more = ""): string {
  const scheme = (index: 0 | 1) => names.map((name) => `--${name}:${allColors[name][index]};`).join("");
  return `:root{${more}${scheme(0)}}@media (prefers-color-scheme: dark){:root{${scheme(1)}}}`;
}

function namesOf(table: typeof colors | typeof moreColors): ColorName[] {
  return Object.keys(table) as ColorName[];
}
