import { open, type FileHandle } from "node:fs/promises";
import { parquetMetadataAsync, parquetReadObjects, toJson, type AsyncBuffer, type FileMetaData, type RowGroup } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { parquetHeader } from "hyparquet/src/column.js";
import { TruelineError } from "../../foundation/errors.js";
import { refuseLink } from "../../foundation/regular-file.js";
import { megabytes, type DataLimits } from "./limits.js";
import { parquetTask, type ParquetAnswer, type ParquetTask } from "./parquet.js";

// The child process of readParquet, its task its one argument: answers every message with the next rows.

/** Rows an answer. */
const batch = 500;
/** "PAR1" as a number. */
const magic = 0x31524150;
/** Bytes that the description of a file's columns and row groups may have. */
const longestFooter = 64 * 2 ** 20;

/** A limit is broken. */
class TooMuch extends Error {}

async function* rowsOf({ path, limits }: ParquetTask): AsyncGenerator<ParquetAnswer, ParquetAnswer> {
  const file = await open(path);
  try {
    await refuseLink(path, file);
    const before = await file.stat();
    const buffer = boundedBuffer(file, before.size);
    const metadata = await readMetadata(buffer);
    let first = 1;
    for (const group of metadata.row_groups) {
      const count = await checkGroup(buffer, group, limits);
      const start = first - 1;
      const rows = await parquetReadObjects({ file: buffer, metadata, compressors, rowStart: start, rowEnd: start + count, parsers: { stringFromBytes } });
      for (let done = 0; done < rows.length; done += batch) {
        const some = rows.slice(done, done + batch);
        yield { is: "rows", first: first + done, rows: some.map((row): unknown => toJson(row)) };
      }
      first += count;
    }
    const after = await file.stat();
    if (after.size !== before.size || after.mtimeMs !== before.mtimeMs) throw new Error("it changed while it was read");
    return { is: "end" };
  } finally {
    await file.close();
  }
}

/** Offsets and lengths in the file are what it says itself: they have to lie within it. */
function boundedBuffer(file: FileHandle, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end > byteLength || start > end) {
        throw new Error(`bytes ${start} to ${end} of a file of ${byteLength}`);
      }
      const bytes = new ArrayBuffer(end - start);
      const { bytesRead } = await file.read(new Uint8Array(bytes), 0, end - start, start);
      if (bytesRead !== end - start) throw new Error("it changed while it was read");
      return bytes;
    },
  };
}

async function readMetadata(buffer: AsyncBuffer): Promise<FileMetaData> {
  if (buffer.byteLength < 12) throw new Error("the file is too short");
  const end = new DataView(await buffer.slice(buffer.byteLength - 8, buffer.byteLength));
  if (end.getUint32(4, true) !== magic) throw new Error("it does not end with PAR1");
  const length = end.getUint32(0, true);
  if (length > longestFooter) throw new TooMuch(`its footer says that it has ${megabytes(length)}`);
  return parquetMetadataAsync(buffer);
}

/** Holds what a row group's headers say against the limits, before anything is reserved on their word. Its number of rows. */
async function checkGroup(buffer: AsyncBuffer, { columns, num_rows: rows }: RowGroup, limits: DataLimits): Promise<number> {
  if (rows < 0 || rows > limits.groupValues) throw new TooMuch(`a row group says that it has ${rows} rows, more than ${limits.groupValues}`);
  let bytes = 0;
  for (const { meta_data: column } of columns) {
    if (column === undefined) throw new Error("a column has no description");
    const start = Number(column.dictionary_page_offset ?? column.data_page_offset);
    const chunk = await buffer.slice(start, start + Number(column.total_compressed_size));
    const reader = { view: new DataView(chunk), offset: 0 };
    let values = 0;
    while (reader.offset < chunk.byteLength - 1) {
      const header = parquetHeader(reader);
      const { compressed_page_size: packed, uncompressed_page_size: unpacked } = header;
      if (!(packed >= 0 && unpacked >= 0)) throw new Error("a page has a size below 0");
      reader.offset += packed;
      bytes += unpacked;
      values += header.data_page_header?.num_values ?? header.data_page_header_v2?.num_values ?? 0;
      const most = Math.max(values, header.dictionary_page_header?.num_values ?? 0);
      if (!(most >= 0 && most <= limits.groupValues)) throw new TooMuch(`a column of a row group says that it has ${most} values, more than ${limits.groupValues}`);
      if (bytes > limits.groupBytes) throw new TooMuch(`a row group holds more than ${megabytes(limits.groupBytes)}`);
    }
  }
  return Number(rows);
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function stringFromBytes(bytes: Uint8Array | undefined): string | undefined {
  return bytes && decoder.decode(bytes);
}

function failure(error: unknown): ParquetAnswer {
  if (error instanceof TooMuch) return { is: "too-much", why: error.message };
  if (error instanceof TypeError && "code" in error && error.code === "ERR_ENCODING_INVALID_ENCODED_DATA") return { is: "damaged", why: "a text is no valid UTF-8" };
  if (error instanceof TruelineError || error instanceof Error) return { is: "damaged", why: error.message.replace(/\.$/, "") };
  throw error;
}

const answers = rowsOf(parquetTask.parse(JSON.parse(process.argv[2] ?? "")));
process.on("message", () => {
  void answers.next().then(({ value }) => value, failure).then((answer) => process.send?.(answer));
});
process.on("disconnect", () => process.exit());
