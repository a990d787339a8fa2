/**
 * Messages (tap.ts) that wait to be handed on, one behind the other in memory: many are
 * one write(2), and none is an object of its own.
 */
export const HEAD_BYTES = 13;
const LENGTH_AT = 1;
const TIME_AT = 5;
/** So much is kept while nothing waits. */
const KEPT_BYTES = 256 * 1024;

export class Backlog {
  private page = new Uint8Array(KEPT_BYTES);
  private view = new DataView(this.page.buffer);
  /** Where the first begins that was not taken whole, and what of it was not. */
  private first = 0;
  private from = 0;
  private to = 0;

  /** How much waits. */
  get bytes(): number {
    return this.to - this.from;
  }

  /** What waits. It is overwritten by what comes once it is taken. */
  get left(): Uint8Array {
    return this.page.subarray(this.from, this.to);
  }

  /** When the first was shown that waits. */
  get since_us(): number {
    return this.view.getFloat64(this.first + TIME_AT, true);
  }

  put(kind: string, at_us: number, bytes: Uint8Array): void {
    const length = HEAD_BYTES + bytes.length;
    if (this.to + length > this.page.length) this.makeRoom(length);
    const { page, view, to } = this;
    page[to] = kind.charCodeAt(0);
    view.setUint32(to + LENGTH_AT, bytes.length, true);
    view.setFloat64(to + TIME_AT, at_us, true);
    page.set(bytes, to + HEAD_BYTES);
    this.to += length;
  }

  /** So many bytes do not wait any more. */
  take(count: number): void {
    this.from += count;
    if (this.from === this.to) {
      this.first = this.from = this.to = 0;
      if (this.page.length > KEPT_BYTES) this.move(KEPT_BYTES);
    } else
      for (let end: number; (end = this.endOf(this.first)) <= this.from;)
        this.first = end;
  }

  private endOf(at: number): number {
    return at + HEAD_BYTES + this.view.getUint32(at + LENGTH_AT, true);
  }

  private makeRoom(length: number): void {
    const { first, page } = this;
    page.copyWithin(0, first, this.to);
    this.from -= first;
    this.to -= first;
    this.first = 0;
    const least = this.to + length;
    if (least > page.length) this.move(Math.max(least, 2 * page.length));
  }

  private move(length: number): void {
    const page = new Uint8Array(length);
    page.set(this.page.subarray(0, this.to));
    this.page = page;
    this.view = new DataView(page.buffer);
  }
}
