import type { Interval, Replies } from "../schemas/report.js";
import { html, type Html } from "./html.js";

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

/** A share with its interval, as a table's cell has it. */
export function percentWithRange(interval: Interval): Html {
  return html`${percent(interval.value)} <small>${percentRange(interval)}</small>`;
}

/** How many replies of a reward's judge could not be read, as a sentence. */
export function unreadReplies({ heard, unreadable }: Replies): string {
  return `Of ${heard} replies of the reward's judge ${unreadable} held no number of its scale.`;
}
