/** `value` held to ±bound; as it is where there is no bound. */
export function clamp(value: number, bound: number | undefined): number {
  return bound === undefined ? value : Math.min(bound, Math.max(-bound, value));
}
