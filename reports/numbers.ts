import type { Interval } from "../schemas/report.js";

/** A figure to about three digits, without an exponent where that reads well. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-5 || size >= 1e6)) return value.toExponential(1).replaceAll("-", "−");
  if (size !== 0 && size < 0.001) return value.toPrecision(1).replace("-", "−");
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 3;
  return value.toFixed(digits).replace("-", "−");
}

/** A share as whole percent. */
export function percent(share: number): string {
  return `${Math.round(100 * share)} %`.replace("-", "−");
}

/** An interval of a share, such as "54 to 66 %". */
export function percentRange({ low, high }: Interval): string {
  return `${Math.round(100 * low)} to ${Math.round(100 * high)} %`.replaceAll("-", "−");
}
