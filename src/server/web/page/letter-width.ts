/** How many cells a letter takes, where no runtime tells: 1, or 2 of East Asia's and of emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

Object.assign(globalThis, {
  stringWidth: (letter: string): number => (WIDE.test(letter) ? 2 : 1),
});
