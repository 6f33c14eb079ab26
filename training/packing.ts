import { nothingToTrainOn } from "./batches.js";
import { permutation, randomAt } from "../foundation/random.js";

/**
 * Documents as one stream (document, end token, document, end token, …) cut into rows of `length` tokens. The rest at
 * the end that fills no row is left out, unless it is all there is.
 */
export function packDocuments(documents: readonly Int32Array[], length: number, endToken: number): Int32Array[] {
  const stream = new Int32Array(streamLength(documents));
  let end = 0;
  for (const document of documents) {
    stream.set(document, end);
    end += document.length;
    stream[end++] = endToken;
  }
  return Array.from({ length: rowCount(documents, length) }, (_, row) => stream.slice(row * length, (row + 1) * length));
}

/** Packed rows in endless supply: every epoch shuffles the documents anew, and the row at a position is always the same. */
export class PackedRows {
  private epoch = -1;
  private rows: readonly Int32Array[] = [];
  /** Rows an epoch; the same in each, because shuffling moves tokens but adds none. */
  readonly rowsPerEpoch: number;

  constructor(
    private readonly documents: readonly Int32Array[],
    private readonly options: { readonly length: number; readonly endToken: number; readonly seed: number },
  ) {
    this.rowsPerEpoch = rowCount(documents, options.length);
    if (this.rowsPerEpoch === 0) throw nothingToTrainOn();
  }

  /** `count` rows from row `position` (from 0) of the endless supply on. */
  slice(position: number, count: number): Int32Array[] {
    return Array.from({ length: count }, (_, index) => this.row(position + index));
  }

  private row(position: number): Int32Array {
    const epoch = Math.floor(position / this.rowsPerEpoch);
    if (epoch !== this.epoch) {
      const order = permutation(randomAt(this.options.seed, "order", epoch), this.documents.length);
      this.rows = packDocuments(Array.from(order, (index) => this.documents[index]!), this.options.length, this.options.endToken);
      this.epoch = epoch;
    }
    return this.rows[position % this.rowsPerEpoch]!;
  }
}

/** Indices of a row's targets when every token but the first is one. */
export function allButFirst(row: Int32Array): Int32Array {
  return Int32Array.from({ length: Math.max(0, row.length - 1) }, (_, index) => index + 1);
}

function streamLength(documents: readonly Int32Array[]): number {
  return documents.reduce((sum, document) => sum + document.length + 1, 0);
}

function rowCount(documents: readonly Int32Array[], length: number): number {
  const tokens = streamLength(documents);
  return tokens < 2 ? 0 : Math.max(1, Math.floor(tokens / length));
}
