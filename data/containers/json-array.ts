import { readBytes } from "./bytes.js";
import { limitsNow, megabytes, tooMuch, unreadable, type DataLimits } from "./limits.js";
import type { Line } from "./lines.js";

const code = (character: string): number => character.charCodeAt(0);
const [quote, backslash, comma, openBracket, closeBracket, openBrace, closeBrace] = [code("\""), code("\\"), code(","), code("["), code("]"), code("{"), code("}")];
const lineFeed = code("\n");
const byteOrderMark = new Set([0xef, 0xbb, 0xbf]);
const isSpace = (byte: number): boolean => byte === 0x20 || byte === lineFeed || byte === 0x0d || byte === 0x09;

/**
 * The elements of a JSON array that is a file, unparsed, each with the line where it starts; no more than one is held at
 * a time. What is wrong inside an element is found when it is parsed.
 * Errors: TL_DATA_UNREADABLE for a file that is no array, or has something beside it; as `readBytes`.
 */
export async function* readArray(path: string, limits: DataLimits = limitsNow()): AsyncGenerator<Line> {
  const array = new ArrayCursor(path);
  let pieces: Uint8Array[] = [];
  let pending = 0;
  for await (const chunk of readBytes(path, limits)) {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const seen = array.see(chunk[at]!);
      if (seen === "starts") start = at;
      const ends = seen === "ends";
      if (!ends && (at < chunk.length - 1 || !array.isInside)) continue;
      const piece = chunk.subarray(start, ends ? at : at + 1);
      pending += piece.length;
      if (pending > limits.lineBytes) throw tooMuch(path, `the row at line ${array.startLine} is longer than ${megabytes(limits.lineBytes)}`);
      pieces.push(piece);
      if (!ends) continue;
      yield { number: array.startLine, bytes: Buffer.concat(pieces) };
      pieces = [];
      pending = 0;
    }
  }
  array.end();
}

/** Where in an array a reader stands, byte for byte. */
class ArrayCursor {
  /** Line where the element begins that is read, or was last. */
  startLine = 0;
  private line = 1;
  private state: "before" | "opened" | "inside" | "next" | "closed" = "before";
  private depth = 0;
  private string: "none" | "open" | "escaped" = "none";

  constructor(private readonly path: string) {}

  get isInside(): boolean {
    return this.state === "inside";
  }

  /** Says that an element starts with this byte, or has ended before it. Throws TL_DATA_UNREADABLE between elements. */
  see(byte: number): "starts" | "ends" | undefined {
    if (byte === lineFeed) this.line++;
    if (this.state === "inside") return this.inside(byte);
    if (isSpace(byte) || (this.state === "before" && byteOrderMark.has(byte))) return undefined;
    if (this.state === "before") {
      if (byte !== openBracket) throw this.wrong(byte, "an array begins with [");
      this.state = "opened";
      return undefined;
    }
    if (this.state === "closed") throw this.wrong(byte, "nothing follows the array's end");
    if (this.state === "opened" && byte === closeBracket) {
      this.state = "closed";
      return undefined;
    }
    if (byte === comma || byte === closeBracket) throw this.wrong(byte, "a row is missing");
    this.state = "inside";
    this.startLine = this.line;
    this.inside(byte);
    return "starts";
  }

  /** Throws TL_DATA_UNREADABLE when the file must not end here. An empty file is an array of nothing. */
  end(): void {
    if (this.state === "closed" || this.state === "before") return;
    throw unreadable(`${this.path}:${this.line}`, "can't be read: the array does not end", { hint: "The file was cut; get it again." });
  }

  private inside(byte: number): "ends" | undefined {
    if (this.string !== "none") {
      if (this.string === "escaped") this.string = "open";
      else if (byte === backslash) this.string = "escaped";
      else if (byte === quote) this.string = "none";
    } else if (byte === quote) this.string = "open";
    else if (byte === openBracket || byte === openBrace) this.depth++;
    else if (this.depth > 0) {
      if (byte === closeBracket || byte === closeBrace) this.depth--;
    } else if (byte === comma || byte === closeBracket) {
      this.state = byte === comma ? "next" : "closed";
      return "ends";
    }
    return undefined;
  }

  private wrong(byte: number, rule: string): Error {
    return unreadable(`${this.path}:${this.line}`, `can't be read: ${rule}, and there is ${JSON.stringify(String.fromCharCode(byte))}`, {
      hint: "A .json file is one array of rows; name a file of a row a line .jsonl.",
    });
  }
}
