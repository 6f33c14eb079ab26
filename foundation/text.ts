const colorCodes = /\u001b\[\d+m/g;
/** Characters that a terminal draws two cells wide: Hangul, Han, kana and full-width forms. */
const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/gu;

/** Cells that a text takes on a terminal. */
export function displayWidth(text: string): number {
  const plain = text.replace(colorCodes, "");
  return [...plain].length + (plain.match(wide)?.length ?? 0);
}
