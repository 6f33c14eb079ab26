/** Characters that a stretch holds at most. */
const stretchLength = 2000;

interface TextLine {
  readonly number: number;
  readonly text: string;
}

/**
 * Cuts running text into stretches of at most 2,000 characters, each a document to train on: at the last blank line that
 * leaves one, else at a line's end, else between words. `number` is the line where a stretch starts.
 */
export async function* stretches(lines: AsyncIterable<TextLine>): AsyncGenerator<TextLine> {
  let held: TextLine[] = [];
  for await (const { number, text } of lines) {
    for (const piece of pieces(text)) {
      held.push({ number, text: piece });
      while (lengthOf(held) > stretchLength) {
        const blank = held.findLastIndex(({ text: line }) => line.trim() === "");
        const end = blank > 0 ? blank : held.length - 1;
        yield* stretch(held.slice(0, end));
        held = held.slice(end);
      }
    }
  }
  yield* stretch(held);
}

/** A line in parts that fit into a stretch, cut after a space where there is one. */
function pieces(text: string): readonly string[] {
  return text.length <= stretchLength ? [text] : text.match(/.{1,1999}(?:\s|$)|.{1,1999}/gsu) ?? [];
}

function lengthOf(lines: readonly TextLine[]): number {
  return lines.reduce((sum, { text }) => sum + text.length + 1, -1);
}

function* stretch(lines: readonly TextLine[]): Generator<TextLine> {
  const first = lines.find(({ text }) => text.trim() !== "");
  if (first === undefined) return;
  yield { number: first.number, text: lines.map(({ text }) => text).join("\n").replace(/^(?:[^\S\n]*\n)+/, "").trimEnd() };
}
