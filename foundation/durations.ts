const unitSeconds = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
type Unit = keyof typeof unitSeconds;

/** What a duration in a spec or an option looks like. */
export const durationPattern = /^(\d+(?:\.\d+)?)([smhd])$/;

/** Seconds of "90s", "30m", "6h" or "2d". Errors: RangeError for any other text, which `durationPattern` tells beforehand. */
export function secondsOf(duration: string): number {
  const [, amount, unit] = durationPattern.exec(duration) ?? [];
  if (amount === undefined || unit === undefined) throw new RangeError(`"${duration}" is no duration such as "90s", "30m", "6h" or "2d"`);
  return Number(amount) * unitSeconds[unit as Unit];
}
