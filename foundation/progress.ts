/** Fewer than this are done before anybody asks. */
const worthTelling = 10_000;

/** Whether \`done\` is the first number that reaches another tenth of \`all\`: when to tell of long work. */
export function isTenth(done: number, all: number): boolean {
  return all >= worthTelling && done > 0 && Math.floor((10 * done) / all) > Math.floor((10 * (done - 1)) / all);
}
