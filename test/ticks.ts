const holdMilliseconds = 20;

/**
 * How often a timer ticked between the first and the last call of `hold`, which keeps the thread busy as encoding a long
 * row does; work that never lets go of the thread in between has none.
 */
export async function ticksBetween(work: (hold: () => void) => Promise<unknown>): Promise<number> {
  let ticks = 0;
  const atCalls: number[] = [];
  const timer = setInterval(() => { ticks++; }, 1);
  try {
    await work(() => {
      atCalls.push(ticks);
      const end = performance.now() + holdMilliseconds;
      while (performance.now() < end);
    });
  } finally {
    clearInterval(timer);
  }
  return atCalls.at(-1)! - atCalls[0]!;
}
