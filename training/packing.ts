import { selected, type Rows } from "../data/row-list.js";
import { permutation, randomAt } from "../foundation/random.js";
import { nothingToTrainOn } from "./batches.js";
import { Mixture } from "./mixture.js";

/**
 * Documents as one stream (document, end token, document, end token, …) cut into rows of `length` tokens, which are put
 * together when they are asked for. The rest at the end that fills no row is left out, unless it is all there is.
 */
class DocumentStream {
  readonly rowCount: number;
  readonly tokens: number;
  /** Where each document begins. */
  private readonly starts: Float64Array;

  constructor(private readonly documents: Rows<Int32Array>, lengths: Iterable<number>, private readonly length: number, private readonly endToken: number) {
    this.starts = new Float64Array(documents.length);
    let tokens = 0;
    let index = 0;
    for (const document of lengths) {
      this.starts[index++] = tokens;
      tokens += document + 1;
    }
    this.tokens = tokens;
    this.rowCount = tokens < 2 ? 0 : Math.max(1, Math.floor(tokens / length));
  }

  row(index: number): Int32Array {
    const start = index * this.length;
    const row = new Int32Array(Math.min(this.length, this.tokens - start));
    let at = 0;
    for (let document = this.documentAt(start); at < row.length; document++) {
      const tokens = this.documents.at(document)!;
      const part = tokens.subarray(start + at - this.starts[document]!).subarray(0, row.length - at);
      row.set(part, at);
      at += part.length;
      if (at < row.length) row[at++] = this.endToken;
    }
    return row;
  }

  /** The document that a place of the stream lies in, its end token included. */
  private documentAt(place: number): number {
    let [low, high] = [0, this.starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle]! <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Encoded documents, and their lengths in memory. */
export interface EncodedDocuments {
  readonly documents: Rows<Int32Array>;
  readonly lengths: Int32Array;
}

/** At most `most` of the first rows of documents in the order given; see DocumentStream. */
export function packDocuments({ documents, lengths }: EncodedDocuments, length: number, endToken: number, most = Infinity): Int32Array[] {
  const stream = new DocumentStream(documents, lengths, length, endToken);
  return Array.from({ length: Math.min(most, stream.rowCount) }, (_, row) => stream.row(row));
}

export interface PackingOptions {
  readonly length: number;
  readonly endToken: number;
  readonly seed: number;
}

/** Rows in endless supply. */
export interface RowSupply {
  /** `count` rows from row `position` (from 0) of the supply on. */
  slice(position: number, count: number): Int32Array[];
}

/** Packed rows in endless supply: every epoch shuffles the documents anew, and the row at a position is always the same. */
export class PackedRows implements RowSupply {
  private epoch = -1;
  private stream: DocumentStream;
  /** Rows an epoch; the same in each, because shuffling moves tokens but adds none. */
  readonly rowsPerEpoch: number;

  /** @param path sets the order of one supply apart from that of others of the same seed. */
  constructor(private readonly encoded: EncodedDocuments, private readonly options: PackingOptions, private readonly path: readonly number[] = []) {
    this.stream = new DocumentStream(encoded.documents, encoded.lengths, options.length, options.endToken);
    this.rowsPerEpoch = this.stream.rowCount;
    if (this.rowsPerEpoch === 0) throw nothingToTrainOn();
  }

  slice(position: number, count: number): Int32Array[] {
    return Array.from({ length: count }, (_, index) => this.row(position + index));
  }

  private row(position: number): Int32Array {
    const epoch = Math.floor(position / this.rowsPerEpoch);
    if (epoch !== this.epoch) {
      const { documents, lengths } = this.encoded;
      const order = permutation(randomAt(this.options.seed, "order", ...this.path, epoch), documents.length);
      this.stream = new DocumentStream(selected(documents, order), order.map((index) => lengths[index]!), this.options.length, this.options.endToken);
      this.epoch = epoch;
    }
    return this.stream.row(position % this.rowsPerEpoch);
  }
}

/** Rows of several supplies, each by its weight: of tokens, because all rows are as long. */
export class MixedRows implements RowSupply {
  private readonly mixture: Mixture;

  constructor(seed: number, private readonly supplies: readonly RowSupply[], weights: readonly number[]) {
    this.mixture = new Mixture(seed, weights);
  }

  slice(position: number, count: number): Int32Array[] {
    return Array.from({ length: count }, (_, index) => {
      const { part, nth } = this.mixture.at(position + index);
      return this.supplies[part]!.slice(nth, 1)[0]!;
    });
  }
}

/** Indices of a row's targets when every token but the first is one. */
export function allButFirst(row: Int32Array): Int32Array {
  return Int32Array.from({ length: Math.max(0, row.length - 1) }, (_, index) => index + 1);
}
