import { createHash } from "node:crypto";

/**
 * A seeded generator addressed by a path, such as `randomAt(seed, "order", epoch)`. The same path gives the same
 * numbers on every machine, so nothing random needs saving: a step's numbers follow from the seed and the step.
 */
export function randomAt(seed: number, ...path: readonly (string | number)[]): Random {
  const digest = createHash("sha256").update(JSON.stringify([seed, ...path])).digest();
  return new Random(digest.readUInt32LE(0), digest.readUInt32LE(4), digest.readUInt32LE(8), digest.readUInt32LE(12));
}

/** sfc32: 128 bits of state, passes PractRand. */
export class Random {
  constructor(private a: number, private b: number, private c: number, private counter: number) {}

  /** 32 uniform bits. */
  bits(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1), 24 bits, so that it survives float32. */
  uniform(): number {
    return (this.bits() >>> 8) / 0x1000000;
  }

  /** Uniform integer in [0, below). */
  integer(below: number): number {
    return Math.floor(((this.bits() * 0x100000 + (this.bits() >>> 12)) / 0x10000000000000) * below);
  }

  /** Standard normal (Box-Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(items.length)]!;
  }

  /** The same items in random order. */
  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items];
    shuffle(this, result);
    return result;
  }
}

/** Numbers 0 … count−1 in random order. */
export function permutation(random: Random, count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, index) => index);
  shuffle(random, order);
  return order;
}

/** Fisher-Yates, in place. */
function shuffle<T>(random: Random, items: { readonly length: number; [index: number]: T }): void {
  for (let last = items.length - 1; last > 0; last--) {
    const other = random.integer(last + 1);
    [items[last], items[other]] = [items[other]!, items[last]!];
  }
}
