import type { DataFormat } from "../schemas/spec.js";
import { hasHeader } from "./container.js";
import { csvColumns } from "./containers/csv.js";
import { columnsOf } from "./formats.js";

/** Names of columns that a message shows. */
const shownColumns = 4;
const longestColumn = 30;

/** What is wrong with the line of a csv file that names its columns, and what would be right; undefined where it names one of the format's, and of other files. */
export async function headerFault(path: string, format: DataFormat): Promise<string | undefined> {
  const expected = columnsOf(format);
  const columns = hasHeader(path) ? await csvColumns(path) : undefined;
  // A letter is no sign of a header: an answer is one.
  const telling = expected.filter((name) => name.length > 1);
  if (columns === undefined || telling.length === 0 || columns.some((column) => telling.includes(column))) return undefined;
  const shown = columns.slice(0, shownColumns).map((column) => JSON.stringify(column.length > longestColumn ? `${column.slice(0, longestColumn)}…` : column)).join(", ");
  return `The first line of a csv file names its columns, and this one's (${shown}${columns.length > shownColumns ? ", …" : ""}) are none of ${format}: the header line seems to be missing. Begin the file with a line such as: ${expected.join(",")}`;
}
