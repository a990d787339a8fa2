/**
 * Takes output apart, and tells where each byte stands: letters, control characters and
 * sequences. `sequences.ts` does for a screen, which need not know where its letters are.
 */

const [BEL, BS, HT, LF, VT, FF, CR, ESC] = [7, 8, 9, 10, 11, 12, 13, 27];
const DEL = 127;

/** Letters are bytes: a text that is not UTF-8 has rows, too. */
export interface Row {
  text: string;
  /** Of each letter: where its byte stands; -1 of a blank that nobody drew. */
  at: Int32Array;
  /** Of one that came: where what ended it stands; absent: it is not over. */
  end?: number;
}

/** Who is told of output, byte after byte. */
export interface Shown {
  letter(at: number): void;
  lineFeed(at: number): void;
  /** @param over whether it goes back over what is there: no new row follows */
  carriageReturn(at: number, over: boolean): void;
  back(): void;
  tab(at: number): void;
  sequence(sequence: Sequence): void;
}

export function walk(bytes: Uint8Array, to: Shown): void {
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte >= 0x20 && byte !== DEL) to.letter(i);
    else if (byte === LF || byte === VT || byte === FF) to.lineFeed(i);
    else if (byte === CR) {
      const next = bytes[i + 1];
      to.carriageReturn(i, next !== LF && next !== CR && next !== undefined);
    } else if (byte === BS) to.back();
    else if (byte === HT) to.tab(i);
    else if (byte === ESC) {
      const sequence = sequenceAt(bytes, i);
      to.sequence(sequence);
      i = sequence.last;
    }
  }
}

/** A sequence that begins with ESC (ECMA-48). */
export interface Sequence {
  /** Its last byte; of one that is cut off, the end of all. */
  last: number;
  /** ESC alone has none; `[`: a control sequence. */
  kind: string;
  final: string;
  numbers: number[];
  /** What is sent in it, where it is a string. */
  string: { from: number; to: number } | null;
}

const STRINGS = new Set([..."]PX^_k"].map((letter) => letter.charCodeAt(0)));
const LARGEST = 16_384;
const MOST_NUMBERS = 16;

/** From its ESC on. */
function sequenceAt(bytes: Uint8Array, from: number): Sequence {
  const plain = (last: number): Sequence => ({
    ...{ last, kind: "", final: "", numbers: [], string: null },
  });
  const second = bytes[from + 1];
  if (second === undefined) return plain(from);
  if (STRINGS.has(second)) {
    const string = (to: number, last: number): Sequence => ({
      ...plain(last),
      string: { from: from + 2, to },
    });
    for (let i = from + 2; i < bytes.length; i++) {
      if (bytes[i] === BEL) return string(i, i);
      if (bytes[i] !== ESC) continue;
      const next = bytes[i + 1];
      // One within another, as a multiplexer passes it on.
      if (next === ESC) i++;
      else if (next === undefined || next === 0x5c)
        return string(i, Math.min(i + 1, bytes.length - 1));
      else if (!STRINGS.has(next)) return string(i, i - 1);
    }
    return string(bytes.length, bytes.length - 1);
  }
  if (second === 0x5b) return controlSequence(bytes, from);
  // Intermediate bytes, and the final one: character sets and the like.
  let i = from + 1;
  while (i < bytes.length && bytes[i]! >= 0x20 && bytes[i]! < 0x30) i++;
  if (i >= bytes.length) return plain(bytes.length - 1);
  const final = i === from + 1 ? String.fromCharCode(bytes[i]!) : "";
  return { ...plain(i), final };
}

function controlSequence(bytes: Uint8Array, from: number): Sequence {
  const numbers = [0];
  let i = from + 2;
  let isPrivate = false;
  for (; i < bytes.length && bytes[i]! >= 0x20 && bytes[i]! < 0x40; i++) {
    const digit = bytes[i]! - 0x30;
    const n = numbers.at(-1)!;
    if (digit >= 0 && digit < 10 && n < LARGEST)
      numbers[numbers.length - 1] = n * 10 + digit;
    else if (digit === 11 && numbers.length < MOST_NUMBERS) numbers.push(0);
    else if (digit > 11) isPrivate = true;
  }
  const cut = i >= bytes.length;
  const final = cut ? "" : String.fromCharCode(bytes[i]!);
  const last = cut ? bytes.length - 1 : i;
  return { last, kind: isPrivate ? "[?" : "[", final, numbers, string: null };
}
