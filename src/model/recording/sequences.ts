/**
 * Takes apart what a program writes to a terminal (ECMA-48, UTF-8): letters, control
 * characters and sequences. Strings that go to the terminal itself (OSC, DCS, APC, PM,
 * SOS: titles, the clipboard, pictures, queries) are nobody's, and end here.
 */

/** A control sequence; it is used again for the next. */
export class ControlSequence {
  /** `?`, `>`, `=`, `<` or nothing. */
  prefix = "";
  intermediates = "";
  final = "";
  count = 0;
  readonly numbers = new Int32Array(MOST_NUMBERS);
  /** Of each number, whether a colon is before it. */
  readonly after_colon = new Uint8Array(MOST_NUMBERS);

  /** The number at a place; where there is none, or 0, the usual one. */
  at(i: number, usual: number): number {
    return i < this.count ? this.numbers[i]! || usual : usual;
  }
}

export interface Actions {
  /** @param code of a character; U+FFFD for bytes that are none */
  letter(code: number): void;
  control(byte: number): void;
  escape(intermediates: string, final: string): void;
  sequence(sequence: ControlSequence): void;
}

const MOST_NUMBERS = 32;
const MOST_INTERMEDIATES = 4;
const LARGEST = 0xff_ff;
const BEL = 0x07;
const CAN = 0x18;
const SUB = 0x1a;
const ESC = 0x1b;
const DEL = 0x7f;
const REPLACEMENT = 0xfffd;

/** Those from `Text` on are strings. */
const State = {
  Ground: 0,
  Escape: 1,
  Sequence: 2,
  /** One that is not as it should be: it has no effect. */
  Ignored: 3,
  /** Until ST. */
  Text: 4,
  /** Until ST, or BEL. */
  Command: 5,
  /** screen's title: until ST, or any control character. */
  Title: 6,
} as const;

/** What a parser holds between two writes. */
export interface ParserState {
  state: (typeof State)[keyof typeof State];
  sequence: ControlSequence;
  intermediates: string;
  /** Continuation bytes that a letter still needs. */
  needs: number;
  /** Of that letter; in a string, the last byte beyond ASCII. */
  code: number;
  least: number;
}

export class Parser {
  private s: ParserState = {
    ...{ state: State.Ground, sequence: new ControlSequence() },
    ...{ intermediates: "", needs: 0, code: 0, least: 0 },
  };

  constructor(private readonly to: Actions) {}

  save(): ParserState {
    const { sequence, ...rest } = this.s;
    return { ...rest, sequence: copyOf(sequence) };
  }

  restore(saved: ParserState): void {
    this.s = { ...saved, sequence: copyOf(saved.sequence) };
  }

  write(bytes: Uint8Array): void {
    const { s, to } = this;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!;
      if (s.state === State.Ground && s.needs === 0) {
        if (byte >= 0x20 && byte < DEL) to.letter(byte);
        else if (byte === ESC) this.beginEscape();
        else if (byte < 0x20) to.control(byte);
        else if (byte > DEL) this.beginLetter(byte);
      } else if (s.needs > 0) {
        // The byte begins something else: it is looked at again.
        if (!this.goOn(byte)) i--;
      } else if (byte < 0x80) this.within(byte);
      else if (s.state < State.Text) {
        s.state = State.Ground;
        i--;
      } else {
        // The end of a string in one character of two bytes, as some send it.
        if (byte === 0x9c && s.code === 0xc2) s.state = State.Ground;
        s.code = byte;
      }
    }
  }

  private beginLetter(byte: number): void {
    const { s } = this;
    if (byte >= 0xc2 && byte < 0xe0) this.needs(1, byte & 0x1f, 0x80);
    else if (byte >= 0xe0 && byte < 0xf0) this.needs(2, byte & 0xf, 0x800);
    else if (byte >= 0xf0 && byte < 0xf5) this.needs(3, byte & 7, 0x1_0000);
    else this.to.letter(REPLACEMENT);
    s.state = State.Ground;
  }

  private needs(count: number, code: number, least: number): void {
    Object.assign(this.s, { needs: count, code, least });
  }

  /** @returns false for a byte that is no continuation */
  private goOn(byte: number): boolean {
    const { s } = this;
    if (byte < 0x80 || byte >= 0xc0) {
      s.needs = 0;
      this.to.letter(REPLACEMENT);
      return false;
    }
    s.code = (s.code << 6) | (byte & 0x3f);
    if (--s.needs > 0) return true;
    const { code, least } = s;
    const isNone =
      code < least || code > 0x10_ffff || (code >= 0xd800 && code < 0xe000);
    if (isNone) this.to.letter(REPLACEMENT);
    else if (code < 0xa0) this.control8(code);
    else this.to.letter(code);
    return true;
  }

  /** A control character from beyond ASCII: ESC and a letter in one. */
  private control8(code: number): void {
    this.beginEscape();
    this.within(code - 0x40);
  }

  private beginEscape(): void {
    this.s.state = State.Escape;
    this.s.intermediates = "";
  }

  private within(byte: number): void {
    const { s } = this;
    if (byte === ESC) return this.beginEscape();
    if (byte === CAN || byte === SUB) s.state = State.Ground;
    else if (s.state >= State.Text) {
      const ends =
        (byte === BEL && s.state === State.Command) ||
        (byte < 0x20 && s.state === State.Title);
      if (ends) s.state = State.Ground;
      s.code = 0;
    } else if (byte < 0x20) this.to.control(byte);
    else if (byte === DEL) return;
    else if (s.state === State.Escape) this.escaped(byte);
    else this.inSequence(byte);
  }

  private escaped(byte: number): void {
    const { s } = this;
    const letter = String.fromCharCode(byte);
    if (byte < 0x30) {
      if (s.intermediates.length < MOST_INTERMEDIATES)
        s.intermediates += letter;
      return;
    }
    s.state = State.Ground;
    s.code = 0;
    if (s.intermediates !== "") this.to.escape(s.intermediates, letter);
    else if (letter === "[") this.beginSequence();
    else if (letter === "]") s.state = State.Command;
    else if (letter === "k") s.state = State.Title;
    else if ("PX^_".includes(letter)) s.state = State.Text;
    else this.to.escape("", letter);
  }

  private beginSequence(): void {
    const { s } = this;
    s.state = State.Sequence;
    const { sequence } = s;
    sequence.prefix = sequence.intermediates = "";
    sequence.count = 0;
  }

  private inSequence(byte: number): void {
    const { s } = this;
    const { sequence } = s;
    if (byte >= 0x40) {
      const isWhole = s.state === State.Sequence;
      s.state = State.Ground;
      sequence.final = String.fromCharCode(byte);
      if (isWhole) this.to.sequence(sequence);
    } else if (s.state === State.Ignored) return;
    else if (byte < 0x30) {
      if (sequence.intermediates.length < MOST_INTERMEDIATES)
        sequence.intermediates += String.fromCharCode(byte);
    } else if (sequence.intermediates !== "") s.state = State.Ignored;
    else if (byte >= 0x3c) {
      if (sequence.count > 0 || sequence.prefix !== "") s.state = State.Ignored;
      else sequence.prefix = String.fromCharCode(byte);
    } else if (byte >= 0x3a) this.nextNumber(byte === 0x3a ? 1 : 0);
    else this.digit(byte - 0x30);
  }

  private nextNumber(colon: 0 | 1): void {
    const { sequence } = this.s;
    // `;5` has two: the first is not said.
    if (sequence.count === 0) this.begin(0);
    this.begin(colon);
  }

  private begin(colon: 0 | 1): void {
    const { sequence } = this.s;
    if (sequence.count === MOST_NUMBERS) this.s.state = State.Ignored;
    else {
      sequence.after_colon[sequence.count] = colon;
      sequence.numbers[sequence.count++] = 0;
    }
  }

  private digit(digit: number): void {
    const { sequence } = this.s;
    if (sequence.count === 0) this.begin(0);
    const last = sequence.count - 1;
    const number = sequence.numbers[last]! * 10 + digit;
    sequence.numbers[last] = Math.min(number, LARGEST);
  }
}

function copyOf(from: ControlSequence): ControlSequence {
  const copy = new ControlSequence();
  const { prefix, intermediates, final, count } = from;
  Object.assign(copy, { prefix, intermediates, final, count });
  copy.numbers.set(from.numbers);
  copy.after_colon.set(from.after_colon);
  return copy;
}
