/**
 * The rows that a terminal shows of some output, as far as a row goes: colours are
 * gone, what was drawn over is gone, and each letter knows which byte drew it.
 */

/** Letters are bytes: a text that is not UTF-8 has rows, too. */
export interface Row {
  text: string;
  /** Of each letter: where its byte stands; -1 of a blank that nobody drew. */
  at: number[];
}

const [BEL, BS, HT, LF, VT, FF, CR, ESC] = [7, 8, 9, 10, 11, 12, 13, 27];
const DEL = 127;
const MOST_COLUMNS = 16_384;

/**
 * In two ways: as drawn (`\b`, `\r` and the cursor's movements overwrite), and as it
 * came, letter after letter, which keeps what was rubbed out again.
 */
export function rowsOf(bytes: Uint8Array): { drawn: Row[]; came: Row[] } {
  const drawing = new Drawing();
  const came = new Coming();
  let moved = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte >= 0x20 && byte !== DEL) {
      drawing.letter(byte, i);
      came.letter(byte, i);
    } else if (byte === LF || byte === VT || byte === FF) {
      drawing.newRow(false);
      came.newRow();
    } else if (byte === CR) {
      // Before a new row it overwrites nothing.
      if (bytes[i + 1] === LF) continue;
      moved = true;
      drawing.column = 0;
      came.newRow();
    } else if (byte === BS) {
      moved = true;
      drawing.column = Math.max(0, drawing.column - 1);
    } else if (byte === HT) {
      drawing.letter(HT, i);
      came.letter(HT, i);
    } else if (byte === ESC) {
      const sequence = sequenceAt(bytes, i);
      if (sequence.moves) {
        moved = true;
        drawing.move(sequence.final, sequence.number);
      }
      i = sequence.last;
    }
  }
  drawing.newRow(false);
  came.newRow();
  return { drawn: moved ? drawing.rows : came.rows, came: came.rows };
}

/** Letters in the order in which they came. */
class Coming {
  readonly rows: Row[] = [];
  private text: number[] = [];
  private at: number[] = [];

  letter(byte: number, i: number): void {
    this.text.push(byte);
    this.at.push(i);
  }

  newRow(): void {
    if (this.text.length > 0)
      this.rows.push({ text: latin1(this.text), at: this.at });
    this.text = [];
    this.at = [];
  }
}

/** A row of cells and a cursor in it. */
class Drawing {
  readonly rows: Row[] = [];
  column = 0;
  private text: number[] = [];
  private at: number[] = [];

  letter(byte: number, i: number): void {
    if (this.column >= MOST_COLUMNS) this.newRow(false);
    while (this.text.length < this.column) {
      this.text.push(0x20);
      this.at.push(-1);
    }
    this.text[this.column] = byte;
    this.at[this.column++] = i;
  }

  newRow(keepsColumn: boolean): void {
    if (this.text.length > 0)
      this.rows.push({ text: latin1(this.text), at: this.at });
    this.text = [];
    this.at = [];
    if (!keepsColumn) this.column = 0;
  }

  /** @param number of the sequence; 0 where it says none */
  move(final: string, number: number): void {
    const count = Math.min(Math.max(1, number), MOST_COLUMNS);
    if (final === "C")
      this.column = Math.min(this.column + count, MOST_COLUMNS);
    else if (final === "D") this.column = Math.max(0, this.column - count);
    else if (final === "G") this.column = count - 1;
    else if (final === "P") this.cut(this.column, count);
    else if (final === "K") {
      if (number === 0) this.cut(this.column, Infinity);
      // To its start, or all of it: what stays has its place.
      else if (number === 2) this.cut(0, Infinity);
    }
    // Another row: this one is as it is.
    else this.newRow(final === "A" || final === "B");
  }

  private cut(from: number, count: number): void {
    this.text.splice(from, count);
    this.at.splice(from, count);
  }
}

const latin1 = (codes: number[]): string =>
  Buffer.from(codes).toString("latin1");

interface Sequence {
  /** Its last byte; of one that is cut off, the end of all. */
  last: number;
  /** Whether the cursor or the row is another after it. */
  moves: boolean;
  final: string;
  number: number;
}

const STRINGS = new Set([..."]PX^_"].map((letter) => letter.charCodeAt(0)));
const MOVING = new Set("ABCDEFGHJKLMPSTdf");

/** An escape sequence (ECMA-48), from its ESC on. */
function sequenceAt(bytes: Uint8Array, from: number): Sequence {
  const still = (last: number): Sequence => ({
    ...{ last, moves: false, final: "", number: 0 },
  });
  const second = bytes[from + 1];
  if (second === undefined) return still(from);
  if (STRINGS.has(second)) {
    for (let i = from + 2; i < bytes.length; i++) {
      if (bytes[i] === BEL) return still(i);
      if (bytes[i] === ESC) return still(bytes[i + 1] === 0x5c ? i + 1 : i - 1);
    }
    return still(bytes.length - 1);
  }
  if (second === 0x5b) {
    let i = from + 2;
    let number = 0;
    for (; i < bytes.length && bytes[i]! >= 0x20 && bytes[i]! < 0x40; i++) {
      const digit = bytes[i]! - 0x30;
      if (digit >= 0 && digit < 10 && number < MOST_COLUMNS)
        number = number * 10 + digit;
    }
    if (i >= bytes.length) return still(bytes.length - 1);
    const final = String.fromCharCode(bytes[i]!);
    return { last: i, moves: MOVING.has(final), final, number };
  }
  // Intermediate bytes, and the final one: character sets and the like.
  let i = from + 1;
  while (i < bytes.length && bytes[i]! >= 0x20 && bytes[i]! < 0x30) i++;
  return still(Math.min(i, bytes.length - 1));
}
