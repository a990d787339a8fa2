/**
 * A terminal's screen: what is to be seen after some output, as xterm has it. It
 * answers nobody, and knows no title, clipboard or other thing beyond itself.
 */
import type { Actions, ControlSequence } from "./sequences.ts";
import { Grid, atHome, copyOf } from "./grid.ts";
import { styled } from "./style.ts";

export class Screen extends Grid implements Actions {
  control(byte: number): void {
    const { cursor, columns, feeds } = this.s;
    if (byte === 8) {
      cursor.column = Math.max(0, cursor.column - 1);
      cursor.waits = false;
    } else if (byte === 9) this.tab(1);
    else if (byte >= 10 && byte <= 12) {
      this.feed();
      if (feeds) cursor.column = 0;
    } else if (byte === 13) {
      cursor.column = 0;
      cursor.waits = false;
    } else if (byte === 14 || byte === 15) cursor.shifted = byte === 14 ? 1 : 0;
    cursor.column = Math.min(cursor.column, columns - 1);
  }

  escape(intermediates: string, final: string): void {
    const { s } = this;
    const { cursor } = s;
    if (intermediates === "(") cursor.sets[0] = final;
    else if (intermediates === ")") cursor.sets[1] = final;
    else if (intermediates !== "") return;
    else if (final === "7") s.saved = copyOf(cursor);
    else if (final === "8") this.restoreCursor();
    else if (final === "D") this.feed();
    else if (final === "M") this.feedBack();
    else if (final === "E") {
      cursor.column = 0;
      this.feed();
    } else if (final === "H") this.tabs().add(cursor.column);
    else if (final === "c") this.resetAll();
  }

  sequence(sequence: ControlSequence): void {
    if (sequence.intermediates === "!" && sequence.final === "p")
      return this.softReset();
    if (sequence.intermediates !== "") return;
    if (sequence.prefix === "?") return this.privateModes(sequence);
    if (sequence.prefix !== "") return;
    if (sequence.final === "m") styled(this.s.cursor.style, sequence);
    else this.moved(sequence) || this.changed(sequence);
  }

  /** The sequences that move the cursor alone. @returns whether it is one */
  private moved(sequence: ControlSequence): boolean {
    const { s } = this;
    const { cursor } = s;
    const n = sequence.at(0, 1);
    const { final } = sequence;
    // A region stops those who are in it.
    const top = cursor.row >= s.top ? s.top : 0;
    const bottom = cursor.row <= s.bottom ? s.bottom : s.rows.length - 1;
    let { row, column } = cursor;
    if (final === "A") row = Math.max(top, row - n);
    else if (final === "B" || final === "e") row = Math.min(bottom, row + n);
    else if (final === "C" || final === "a") column += n;
    else if (final === "D") column -= n;
    else if (final === "E") [row, column] = [Math.min(bottom, row + n), 0];
    else if (final === "F") [row, column] = [Math.max(top, row - n), 0];
    else if (final === "G" || final === "`") column = n - 1;
    else if (final === "d") row = this.rowAt(n);
    else if (final === "H" || final === "f")
      [row, column] = [this.rowAt(n), sequence.at(1, 1) - 1];
    else if (final === "I" || final === "Z") {
      this.tab(final === "I" ? n : -n);
      return true;
    } else return false;
    cursor.row = Math.max(0, Math.min(row, s.rows.length - 1));
    cursor.column = Math.max(0, Math.min(column, s.columns - 1));
    cursor.waits = false;
    return true;
  }

  private rowAt(n: number): number {
    const { cursor, top, bottom } = this.s;
    return cursor.origin ? Math.min(top + n - 1, bottom) : n - 1;
  }

  /** Those that change what is there. */
  private changed(sequence: ControlSequence): void {
    const { s } = this;
    const { cursor, columns, rows } = s;
    const { final } = sequence;
    const n = sequence.at(0, 1);
    const row = rows[cursor.row]!;
    const isIn = cursor.row >= s.top && cursor.row <= s.bottom;
    const { style } = cursor;
    if (final === "J") this.eraseRows(sequence.at(0, 0));
    else if (final === "K") this.eraseRow(sequence.at(0, 0));
    else if (final === "X")
      row.erase(cursor.column, Math.min(cursor.column + n, columns), style);
    else if (final === "@") row.shift(cursor.column, n, columns, style);
    else if (final === "P") row.shift(cursor.column, -n, columns, style);
    else if (final === "L" && isIn) this.insertRows(cursor.row, n);
    else if (final === "M" && isIn) this.deleteRows(cursor.row, n, false);
    else if (final === "S") this.scroll(n);
    else if (final === "T" && sequence.count < 2) this.insertRows(s.top, n);
    else if (final === "b") this.repeat(n);
    else if (final === "r") this.setRegion(n, sequence.at(1, rows.length));
    else if (final === "s" && sequence.count === 0) s.saved = copyOf(cursor);
    else if (final === "u" && sequence.count === 0) this.restoreCursor();
    else if (final === "g") this.clearTabs(sequence.at(0, 0));
    else if (final === "h" || final === "l") this.modes(sequence);
  }

  private repeat(n: number): void {
    const { last, columns } = this.s;
    // A row of it, at most: nobody fills screens with a sequence.
    for (let i = Math.min(n, columns); i > 0; i--) this.letter(last);
  }

  private setRegion(from: number, to: number): void {
    const { s } = this;
    const [top, bottom] = [from - 1, Math.min(to, s.rows.length) - 1];
    if (top >= bottom) return;
    Object.assign(s, { top, bottom });
    Object.assign(s.cursor, { column: 0, waits: false, row: this.rowAt(1) });
  }

  private clearTabs(which: number): void {
    if (which === 3) this.s.tabs = new Set();
    else if (which === 0) this.tabs().delete(this.s.cursor.column);
  }

  private eraseRow(which: number): void {
    const { cursor, rows } = this.s;
    const row = rows[cursor.row]!;
    const { style, column } = cursor;
    cursor.waits = false;
    const end = row.codes.length;
    if (which === 0) row.erase(column, end, style);
    else if (which === 1) row.erase(0, column + 1, style);
    else if (which === 2) row.erase(0, end, style);
  }

  private eraseRows(which: number): void {
    const { cursor, rows } = this.s;
    const { style } = cursor;
    const isAll = which === 2 || (which === 0 && isHome(cursor));
    // It was to be seen.
    if (isAll) this.tellAll(rows);
    if (which > 2) return;
    if (!isAll) this.eraseRow(which);
    const [from, to] = isAll
      ? [0, rows.length]
      : which === 0
        ? [cursor.row + 1, rows.length]
        : [0, cursor.row];
    for (const row of rows.slice(from, to)) row.reset(style);
  }

  private modes(sequence: ControlSequence): void {
    const on = sequence.final === "h";
    for (let i = 0; i < sequence.count; i++) {
      const mode = sequence.numbers[i];
      if (mode === 4) this.s.inserts = on;
      else if (mode === 20) this.s.feeds = on;
    }
  }

  private privateModes(sequence: ControlSequence): void {
    const { s } = this;
    if (sequence.final !== "h" && sequence.final !== "l") return;
    const on = sequence.final === "h";
    for (let i = 0; i < sequence.count; i++) {
      const mode = sequence.numbers[i];
      if (mode === 6) {
        s.cursor.origin = on;
        Object.assign(s.cursor, {
          column: 0,
          waits: false,
          row: this.rowAt(1),
        });
      } else if (mode === 7) s.wraps = on;
      else if (mode === 25) s.cursor_shown = on;
      else if (mode === 47 || mode === 1047) this.alternate(on);
      else if (mode === 1048 || mode === 1049) {
        if (on) s.saved = copyOf(s.cursor);
        if (mode === 1049) this.alternate(on);
        if (!on) this.restoreCursor();
      }
    }
  }

  private softReset(): void {
    const { s } = this;
    const { row, column } = s.cursor;
    Object.assign(s, {
      ...{ top: 0, bottom: s.rows.length - 1, wraps: true },
      ...{ inserts: false, cursor_shown: true, cursor: atHome() },
    });
    Object.assign(s.cursor, { row, column });
    s.saved = atHome();
  }
}

const isHome = ({ row, column }: { row: number; column: number }) =>
  row === 0 && column === 0;
