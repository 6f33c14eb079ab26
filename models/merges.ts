import { Breath } from "../foundation/breath.js";

/** A learnt vocabulary: tokens by id, and the pairs of ids that are joined, in order of rank. */
export interface LearntMerges {
  readonly tokens: readonly string[];
  readonly merges: readonly (readonly [number, number])[];
}

interface Word {
  symbols: number[];
  readonly count: number;
}

interface Candidate {
  readonly count: number;
  readonly pair: number;
}

/** Pairs of ids as one number; ids stay far below 2^26. */
const radix = 0x4000000;
const pairOf = (left: number, right: number): number => left * radix + right;

/** Pairs seen less often than this teach nothing. */
const leastCount = 2;

/**
 * Byte-pair encoding over words with counts: joins the most frequent pair of neighbours, again and again, until there
 * are `size` tokens or no pair is left that occurs twice. Ties go to the smaller left id, then the smaller right id, so the
 * result depends on nothing but the counts. Breathes, since a large corpus takes minutes.
 * @param words each a string whose code units are tokens of `alphabet`.
 * @param alphabet first tokens; the new ones follow.
 * @param size tokens in all, the alphabet included.
 */
export async function learnMerges(
  words: ReadonlyMap<string, number>, alphabet: readonly string[], size: number, onProgress?: (tokens: number) => void,
): Promise<LearntMerges> {
  const breath = new Breath();
  const tokens = [...alphabet];
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: [number, number][] = [];
  const corpus: Word[] = [];
  for (const [word, count] of words) {
    corpus.push({ symbols: Array.from(word, (unit) => ids.get(unit)!), count });
    if (breath.due()) await breath.take();
  }

  const counts = new Map<number, number>();
  const places = new Map<number, Set<Word>>();
  const queue = new CandidateHeap();
  /** Adds or takes away a word's pairs; `touched` keeps the counts from before. */
  const tally = (word: Word, sign: 1 | -1, touched: Map<number, number>) => {
    for (let index = 1; index < word.symbols.length; index++) {
      const pair = pairOf(word.symbols[index - 1]!, word.symbols[index]!);
      const count = counts.get(pair) ?? 0;
      counts.set(pair, count + sign * word.count);
      if (!touched.has(pair)) touched.set(pair, count);
      if (sign < 0) continue;
      const where = places.get(pair);
      if (where === undefined) places.set(pair, new Set([word]));
      else where.add(word);
    }
  };
  const enqueue = (touched: Map<number, number>) => {
    for (const [pair, before] of touched) {
      const count = counts.get(pair)!;
      if (count >= leastCount && count !== before) queue.push({ count, pair });
      else if (count === 0) {
        counts.delete(pair);
        places.delete(pair);
      }
    }
  };
  const all = new Map<number, number>();
  for (const word of corpus) {
    tally(word, 1, all);
    if (breath.due()) await breath.take();
  }
  enqueue(all);

  while (tokens.length < size) {
    const best = queue.pop();
    if (best === undefined) break;
    // an entry whose count has changed since was pushed again with the new one
    if (counts.get(best.pair) !== best.count) continue;
    if (breath.due()) await breath.take();
    const [left, right] = [Math.floor(best.pair / radix), best.pair % radix];
    const joined = tokens[left]! + tokens[right]!;
    // two ways to spell one string share its id
    const id = ids.get(joined) ?? tokens.push(joined) - 1;
    ids.set(joined, id);
    merges.push([left, right]);
    const touched = new Map<number, number>();
    for (const word of places.get(best.pair)!) {
      const symbols = joinPair(word.symbols, left, right, id);
      if (symbols.length === word.symbols.length) continue;
      tally(word, -1, touched);
      word.symbols = symbols;
      tally(word, 1, touched);
      if (breath.due()) await breath.take();
    }
    enqueue(touched);
    onProgress?.(tokens.length);
  }
  return { tokens, merges };
}

function joinPair(symbols: readonly number[], left: number, right: number, id: number): number[] {
  const result: number[] = [];
  for (let index = 0; index < symbols.length; index++) {
    const meets = symbols[index] === left && symbols[index + 1] === right;
    result.push(meets ? id : symbols[index]!);
    if (meets) index++;
  }
  return result;
}

/** Greatest count first; among equals the smallest pair. */
const before = (a: Candidate, b: Candidate): boolean => a.count > b.count || (a.count === b.count && a.pair < b.pair);

class CandidateHeap {
  private readonly items: Candidate[] = [];

  push(item: Candidate): void {
    const { items } = this;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(item, items[parent]!)) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): Candidate | undefined {
    const { items } = this;
    const top = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      const right = 2 * at + 2;
      const child = right < items.length && before(items[right]!, items[right - 1]!) ? right : right - 1;
      if (child >= items.length || !before(items[child]!, last)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return top;
  }
}
