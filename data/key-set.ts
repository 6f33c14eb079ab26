import { createHash } from "node:crypto";

const wordsEach = 4;

/** A set of texts by their digests: 128 bits of SHA-256 each, some 32 bytes of memory, and as many as memory has room for. */
export class KeySet {
  private table = new Uint32Array(wordsEach * 1024);
  private count = 0;

  /** Adds a text; says whether it was not there before. */
  add(text: string): boolean {
    const digest = createHash("sha256").update(text).digest();
    const words = Uint32Array.from({ length: wordsEach }, (_, word) => digest.readUInt32LE(4 * word));
    // A digest of nothing but zeros would look like an empty place.
    words[0]! |= 1;
    if (2 * wordsEach * (this.count + 1) > this.table.length) this.grow();
    const isNew = insert(this.table, words);
    if (isNew) this.count++;
    return isNew;
  }

  private grow(): void {
    const larger = new Uint32Array(2 * this.table.length);
    for (let at = 0; at < this.table.length; at += wordsEach) {
      if (this.table[at] !== 0) insert(larger, this.table.subarray(at, at + wordsEach));
    }
    this.table = larger;
  }
}

function insert(table: Uint32Array, words: Uint32Array): boolean {
  const places = table.length / wordsEach;
  for (let place = words[1]! % places; ; place = (place + 1) % places) {
    const at = place * wordsEach;
    if (table[at] === 0) {
      table.set(words, at);
      return true;
    }
    if (words.every((word, index) => table[at + index] === word)) return false;
  }
}
