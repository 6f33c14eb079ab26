import { joined } from "../../data/row-list.js";
import type { EncodedDocuments } from "../../training/packing.js";

/** Documents that are in memory. */
export function documentsOf(documents: readonly Int32Array[]): EncodedDocuments {
  return { documents: joined([documents]), lengths: Int32Array.from(documents, ({ length }) => length) };
}
