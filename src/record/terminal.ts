/**
 * A terminal between ours and the program's (`shell --record`): what the program shows
 * passes through it, byte for byte, and is recorded on its way; keys pass the other way
 * and are not.
 */
import type { Libc } from "../os/libc.ts";
import {
  type Modes,
  type Pty,
  type Size,
  modesOf,
  openPty,
  setModes,
  setRaw,
  setSize,
  sizeOf,
} from "../os/pty.ts";
import type { Waiter } from "../os/wait.ts";
import type { JsonObject } from "../model/event.ts";
import type { Tap } from "./tap.ts";

const INPUT = 0;
const OUTPUT = 1;
const PAGE = 64 * 1024;
/** Keys that the program does not take yet. */
const MOST_KEYS = 1024 * 1024;
const RETRY_MS = 5;
const EINTR = 4;
const EAGAIN = 11;
const POLLOUT = 4;

/** Does a step later; see `Run.after`. */
export type After = (ms: number, step: () => void) => void;

export class RecordedTerminal {
  private readonly page = new Uint8Array(PAGE);
  private keys: Uint8Array = new Uint8Array();
  private readonly began_ns = Bun.nanoseconds();
  private waiter: Waiter | null = null;
  private passes = false;
  private retries = false;
  private raw = false;
  private over = false;
  private readonly watched: Set<number>;

  private constructor(
    private readonly c: Libc,
    private modes: Modes,
    private readonly pty: Pty,
    private readonly after: After,
  ) {
    this.watched = new Set([INPUT, pty.master]);
  }

  tap: Tap | null = null;

  /** @returns null where there is no terminal to be recorded, or no other to be had */
  static open(c: Libc, after: After): RecordedTerminal | null {
    const modes = modesOf(INPUT);
    if (modes === null || !c.isatty(OUTPUT)) return null;
    const pty = openPty(c, modes, sizeOf(INPUT));
    return pty && new RecordedTerminal(c, modes, pty, after);
  }

  /** Where the program's side is opened. */
  get path(): string {
    return this.pty.path;
  }

  get size(): Size {
    return sizeOf(INPUT);
  }

  /** The program has its side: from now on all passes through us. */
  begin(waiter: Waiter): void {
    this.c.calls.close(this.pty.slave);
    this.waiter = waiter;
    this.enter();
    for (const fd of this.watched) waiter.watch(fd);
  }

  /** Nobody will have it. */
  close(): void {
    this.c.calls.close(this.pty.slave);
    this.c.calls.close(this.pty.master);
  }

  /** Our terminal gives every key as it is. */
  enter(): void {
    if (this.over) return;
    setRaw(INPUT, this.modes);
    this.raw = true;
  }

  /** Our terminal is as we found it. */
  leave(): void {
    if (this.raw) setModes(INPUT, this.modes);
    this.raw = false;
  }

  owns(fd: number): boolean {
    return this.waiter !== null && this.watched.has(fd);
  }

  ready(fd: number): void {
    if (fd === INPUT) this.readKeys();
    else this.show();
  }

  /** Ours is of another size: so is the program's. */
  resized(): void {
    const { size } = this;
    setSize(this.pty.master, size);
    const text = `${size.columns}x${size.rows}`;
    this.tap?.send("r", this.now_us, new TextEncoder().encode(text));
  }

  /** The program is over: what it has left to show is shown. */
  end(): JsonObject | null {
    if (this.over) return null;
    while (this.show());
    // What a program leaves of the modes is what it leaves without us.
    this.modes = modesOf(this.pty.master) ?? this.modes;
    this.leave();
    this.over = true;
    for (const fd of this.watched) this.forget(fd);
    this.c.calls.close(this.pty.master);
    return this.tap?.close(this.now_us) ?? null;
  }

  private get now_us(): number {
    return (Bun.nanoseconds() - this.began_ns) / 1_000;
  }

  /** @returns whether there was something */
  private show(): boolean {
    const { page } = this;
    const got = Number(this.c.calls.read(this.pty.master, page, PAGE));
    if (got <= 0) {
      // EIO: nobody has the program's side open any more.
      if (got === 0 || !this.mayComeYet()) this.forget(this.pty.master);
      return false;
    }
    this.write(page, got);
    this.tap?.send("o", this.now_us, page.subarray(0, got));
    this.passOnSoon();
    return true;
  }

  private mayComeYet(): boolean {
    const errno = this.c.errno();
    return errno === EAGAIN || errno === EINTR;
  }

  private passOnSoon(): void {
    if (this.passes || !this.tap?.waits) return;
    this.passes = true;
    this.after(RETRY_MS, () => {
      this.passes = false;
      if (this.over) return;
      this.tap?.pass();
      this.passOnSoon();
    });
  }

  /** To our terminal, as fast as it takes it. */
  private write(bytes: Uint8Array, length: number): void {
    const { calls } = this.c;
    for (let at = 0; at < length;) {
      const wrote = Number(
        calls.write(OUTPUT, bytes.subarray(at), length - at),
      );
      if (wrote > 0) at += wrote;
      else if (this.mayComeYet())
        // Somebody made it one that does not wait.
        calls.poll(Int32Array.from([OUTPUT, POLLOUT]), 1, -1);
      // It is gone: what is shown now nobody sees.
      else return;
    }
  }

  private readKeys(): void {
    const got = Number(this.c.calls.read(INPUT, this.page, PAGE));
    if (got > 0) {
      this.keys = Buffer.concat([this.keys, this.page.subarray(0, got)]);
      this.passKeys();
    } else if (got === 0 || !this.mayComeYet()) this.forget(INPUT);
  }

  private passKeys(): void {
    const { keys } = this;
    const wrote = Number(
      this.c.calls.write(this.pty.master, keys, keys.length),
    );
    if (wrote > 0) this.keys = keys.subarray(wrote);
    else if (!this.mayComeYet()) this.keys = new Uint8Array();
    if (this.keys.length > MOST_KEYS) this.keys = new Uint8Array();
    if (this.keys.length === 0 || this.retries) return;
    this.retries = true;
    this.after(RETRY_MS, () => {
      this.retries = false;
      if (!this.over) this.passKeys();
    });
  }

  private forget(fd: number): void {
    if (this.watched.delete(fd)) this.waiter?.unwatch(fd);
  }
}
