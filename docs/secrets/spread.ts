import { mean } from "./measures.js";

/** Mean, least and greatest of values: "0.85 (0.84–0.86)". */
export function spread(values: readonly number[], digits: number): string {
  if (values.length === 0) return "";
  const shown = (value: number) => value.toFixed(digits).replace("-", "−");
  return `${shown(mean(values))} (${shown(Math.min(...values))}–${shown(Math.max(...values))})`;
}
