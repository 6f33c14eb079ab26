/** A row that can't be used, and why; the reader of the file adds where it stands. */
export class RowFault extends Error {
  override readonly name = "RowFault";
}
