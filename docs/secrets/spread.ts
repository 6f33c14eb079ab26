import { mean } from "./measures.js";

/** Mean, least and greatest of values: "0.85 (0.84–0.86)". `to` stands between the last two, which may be below 0. */
export function spread(values: readonly number[], digits: number, to = "–"): string {
  if (values.length === 0) return "";
  const shown = (value: number) => value.toFixed(digits).replace("-", "−");
  return `${shown(mean(values))} (${shown(Math.min(...values))}${to}${shown(Math.max(...values))})`;
}
