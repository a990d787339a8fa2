/** Select Graphic Rendition: what a sequence makes of the style that holds. */
import { FLAGS, RGB, type Style } from "./row.ts";
import type { ControlSequence } from "./sequences.ts";

const { bold, faint, italic, underlined, blinking, inverse, crossed } = FLAGS;
const SETS: Record<number, number> = {
  ...{ 1: bold, 2: faint, 3: italic, 5: blinking, 6: blinking },
  ...{ 7: inverse, 9: crossed, 21: underlined },
};
const CLEARS: Record<number, number> = {
  ...{ 22: bold | faint, 23: italic, 24: underlined, 25: blinking },
  ...{ 27: inverse, 29: crossed },
};

export function styled(style: Style, sequence: ControlSequence): void {
  const { count, numbers } = sequence;
  if (count === 0) reset(style);
  for (let i = 0; i < count;) {
    const n = numbers[i]!;
    const end = groupEnd(sequence, i);
    if (n === 38 || n === 48 || n === 58) {
      const { color, next } = colorAt(sequence, i, end);
      if (color !== null && n === 38) style.fg = color;
      if (color !== null && n === 48) style.bg = color;
      i = next;
      continue;
    }
    if (n === 0) reset(style);
    else if (n === 4)
      // 4:0 is none; 4:3 is one that curls.
      setFlag(style, underlined, end === i + 1 || numbers[i + 1] !== 0);
    else if (SETS[n] !== undefined) setFlag(style, SETS[n], true);
    else if (CLEARS[n] !== undefined) setFlag(style, CLEARS[n], false);
    else if (n >= 30 && n <= 37) style.fg = n - 29;
    else if (n === 39) style.fg = 0;
    else if (n >= 40 && n <= 47) style.bg = n - 39;
    else if (n === 49) style.bg = 0;
    else if (n >= 90 && n <= 97) style.fg = n - 81;
    else if (n >= 100 && n <= 107) style.bg = n - 91;
    i = end;
  }
}

function reset(style: Style): void {
  style.fg = style.bg = style.flags = 0;
}

function setFlag(style: Style, flag: number, on: boolean): void {
  style.flags = on ? style.flags | flag : style.flags & ~flag;
}

/** Numbers with colons between them are one. */
function groupEnd({ count, after_colon }: ControlSequence, from: number) {
  let end = from + 1;
  while (end < count && after_colon[end] === 1) end++;
  return end;
}

/** `38;5;N`, `38;2;R;G;B`, `38:5:N`, `38:2:R:G:B`, `38:2:SPACE:R:G:B`. */
function colorAt(
  { count, numbers }: ControlSequence,
  from: number,
  end: number,
): { color: number | null; next: number } {
  const colons = end > from + 1;
  const kind = numbers[from + 1];
  if (kind === 5 && from + 2 < count) {
    const n = numbers[from + 2]!;
    const color = n < 256 ? n + 1 : null;
    return { color, next: colons ? end : from + 3 };
  }
  if (kind !== 2) return { color: null, next: colons ? end : count };
  const at = colons && end - from > 5 ? from + 3 : from + 2;
  if (at + 3 > count) return { color: null, next: count };
  const parts = [...numbers.subarray(at, at + 3)];
  const valid = parts.every((part) => part < 256);
  const [r, g, b] = parts;
  const color = valid ? RGB | (r! << 16) | (g! << 8) | b! : null;
  return { color, next: colons ? end : at + 3 };
}
