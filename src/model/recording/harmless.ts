/**
 * What a terminal shows, without what reaches beyond its screen: titles, the clipboard,
 * queries that it would answer, modes of its keys and mouse. So a recording can be given
 * to any program that plays it.
 */
import { NOWHERE, widthOf } from "./width.ts";
import { type Actions, type ControlSequence, Parser } from "./sequences.ts";

const CONTROLS = new Set([8, 9, 10, 11, 12, 13, 14, 15]);
const ESCAPES = new Set("78DEMHc");
const SETS = new Set("0AB");
const SEQUENCES = new Set("@ABCDEFGHIJKLMPSTXZ`abdefgmrsu");
/** Modes, and what each is at first. */
const MODES = new Map([
  ["4", false],
  ["20", false],
  ["?6", false],
  ["?7", true],
  ["?25", true],
  ["?47", false],
  ["?1047", false],
  ["?1049", false],
]);

export class Harmless implements Actions {
  private readonly parser = new Parser(this);
  private text = "";
  /** Those that are not as at first. */
  private readonly changed = new Set<string>();

  /** What is harmless of some output. */
  write(bytes: Uint8Array): string {
    this.parser.write(bytes);
    return this.take();
  }

  /** Leaves a terminal as it was found. */
  end(): string {
    for (const mode of this.changed)
      this.text += `\x1b[${mode}${MODES.get(mode) ? "h" : "l"}`;
    this.text += "\x1b[m\x0f\x1b(B";
    return this.take();
  }

  private take(): string {
    const { text } = this;
    this.text = "";
    return text;
  }

  letter(code: number): void {
    if (widthOf(code) !== NOWHERE) this.text += String.fromCodePoint(code);
  }

  control(byte: number): void {
    if (CONTROLS.has(byte)) this.text += String.fromCharCode(byte);
  }

  escape(intermediates: string, final: string): void {
    const passes =
      intermediates === ""
        ? ESCAPES.has(final)
        : "()".includes(intermediates) && SETS.has(final);
    if (passes) this.text += `\x1b${intermediates}${final}`;
  }

  sequence(sequence: ControlSequence): void {
    const { prefix, intermediates, final } = sequence;
    const soft = prefix === "" && intermediates === "!" && final === "p";
    if (soft) this.text += "\x1b[!p";
    else if (intermediates !== "") return;
    else if (final === "h" || final === "l") this.modes(sequence);
    // With more numbers it is the mouse's.
    else if (final === "T" && sequence.count > 1) return;
    else if (prefix === "" && SEQUENCES.has(final))
      this.text += `\x1b[${numbersOf(sequence)}${final}`;
  }

  private modes({ prefix, final, count, numbers }: ControlSequence): void {
    for (const number of numbers.subarray(0, count)) {
      const mode = `${prefix}${number}`;
      const usual = MODES.get(mode);
      if (usual === undefined) continue;
      const on = final === "h";
      if (on === usual) this.changed.delete(mode);
      else this.changed.add(mode);
      this.text += `\x1b[${mode}${final}`;
    }
  }
}

function numbersOf({ count, numbers, after_colon }: ControlSequence): string {
  let text = "";
  for (let i = 0; i < count; i++)
    text += `${i === 0 ? "" : after_colon[i] ? ":" : ";"}${numbers[i]}`;
  return text;
}
