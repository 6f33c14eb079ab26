/**
 * GPT-2's printable stand-ins for the 256 bytes: printable Latin-1 stands for itself, the rest is moved to U+0100 and up.
 */
const printable = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

const standIns: readonly string[] = (() => {
  let moved = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : 256 + moved++));
})();

/** The 256 stand-ins in the order of their code points, which is the order of their token ids. */
export const byteAlphabet: readonly string[] = [...standIns].sort();

/** GPT-2's pre-tokenizer, as tokenizer.json has it: \s is Unicode's White_Space there, which JavaScript's own \s is not. */
export const gpt2Words = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const encoder = new TextEncoder();

/** A text's UTF-8 bytes, each as its stand-in. */
export function toByteAlphabet(text: string): string {
  let result = "";
  for (const byte of encoder.encode(text)) result += standIns[byte]!;
  return result;
}
