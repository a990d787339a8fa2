/**
 * A terminal between ours and the program's (`shell --record`): what the program shows
 * passes through it, byte for byte, and is recorded on its way; keys pass the other way
 * and are not. Keys are read, and our terminal's modes touched, in the foreground alone.
 */
import { type Pointer, ptr } from "bun:ffi";
import { EAGAIN, EINTR, POLLIN, POLLOUT } from "../os/constants.ts";
import type { Libc } from "../os/libc.ts";
import {
  type Modes,
  type Pty,
  type Size,
  emptyModes,
  lineModes,
  modesOf,
  openPty,
  rawModes,
  reopened,
  setModes,
  setSize,
  settleKeys,
  sizeOf,
  typeAgain,
  unreadKeys,
} from "../os/pty.ts";
import type { Waiter } from "../os/wait.ts";
import { Outlet } from "./outlet.ts";
import type { Screen } from "./request.ts";
import { SignalKeys, asksForKeys } from "./signal-keys.ts";
import type { Tap } from "./tap.ts";

const INPUT = 0;
const OUTPUT = 1;
const PAGE = 64 * 1024;
/** So much is shown at once: of more the program waits while it is shown. */
const SHOWN_BYTES = 8 * 1024;
/** More than a terminal holds that nobody has read: the rest is others' than the program's. */
const LAST_BYTES = 256 * 1024;
const RETRY_MS = 5;
/** How soon `fg` is noticed: a shell says it to nobody whose job was not stopped. */
const LOOK_MS = 50;
/** So much at once is more than keys and their echo. */
const MUCH = 1024;

/** Whose terminal it is: the program's run. */
export interface Keyed {
  after(ms: number, step: () => void): void;
  /** @param group who has it from the program's terminal */
  keySent(signal: number, group: number): void;
  /** It is in the background, and wants keys. */
  wantsKeys(): void;
}

export class RecordedTerminal implements Screen {
  private readonly page = new Uint8Array(PAGE);
  private readonly page_at = ptr(this.page);
  private readonly began_ns = Bun.nanoseconds();
  private readonly screen: Outlet;
  private readonly keys: Outlet;
  private readonly signals = new SignalKeys();
  /** Those of the program's when the last keys came. */
  private readonly modes_then = emptyModes();
  /** Those that the program's began with. */
  private readonly given: Modes;
  private size: Size;
  private waiter: Waiter | null = null;
  /** What is waited for on each descriptor. */
  private readonly events = new Map<number, number>();
  private passes = false;
  private looks = false;
  /** Keys are read from ours, which is raw. */
  private front = false;
  private over = false;
  /** How much of what it shows is still the program's, once that is over. */
  private left = Infinity;

  private constructor(
    private readonly c: Libc,
    private modes: Modes,
    private readonly pty: Pty,
    private readonly program: Keyed,
  ) {
    this.given = modes;
    this.size = sizeOf(INPUT);
    this.screen = new Outlet(c, reopened(c, OUTPUT) ?? OUTPUT);
    this.keys = new Outlet(c, pty.master);
  }

  tap: Tap | null = null;

  /** @returns null where there is no other terminal to be had */
  static open(c: Libc, program: Keyed): RecordedTerminal | null {
    const found = modesOf(INPUT);
    // In the background they are those of a line that a shell has edited.
    const modes = found && (isOurs(c) ? found : lineModes(found));
    const pty = modes && openPty(c, modes, sizeOf(INPUT));
    return pty && new RecordedTerminal(c, modes, pty, program);
  }

  /** Where the program's side is opened. */
  get path(): string {
    return this.pty.path;
  }

  get initial(): { size: Size; modes: Modes } {
    return { size: this.size, modes: this.given };
  }

  get isInFront(): boolean {
    return this.front;
  }

  /** The group that the program's listens to. */
  get foreground(): number {
    return this.over ? 0 : this.c.calls.tcgetpgrp(this.pty.master);
  }

  /** The program has its side: from now on all passes through us. */
  begin(waiter: Waiter): void {
    this.waiter = waiter;
    this.enter();
  }

  /** Nobody will have it. */
  close(): void {
    this.c.calls.close(this.pty.slave);
    this.c.calls.close(this.pty.master);
  }

  /** In the foreground our terminal gives every key as it is; also after `fg`. */
  enter(): void {
    if (this.over) return;
    if (isOurs(this.c)) this.takeKeys();
    else this.lookForKeys();
    this.wait();
  }

  private takeKeys(): void {
    // Whoever had it meanwhile may have left it in another way.
    const now = modesOf(INPUT);
    const raw = rawModes(this.modes);
    if (now && !(this.front && Buffer.from(raw).equals(now))) {
      this.modes = now;
      setModes(INPUT, rawModes(now));
    }
    this.front = true;
    this.resized();
  }

  /** In the background: until `fg`, or until the program wants keys. */
  private lookForKeys(): void {
    this.front = false;
    if (this.looks) return;
    this.looks = true;
    this.program.after(LOOK_MS, () => {
      this.looks = false;
      if (this.over || this.front) return;
      this.enter();
      const modes = this.front ? null : modesOf(this.pty.master);
      if (modes && asksForKeys(modes, this.given)) this.program.wantsKeys();
    });
  }

  /** Our terminal is as we found it. */
  leave(): void {
    if (this.over) return;
    if (!this.screen.waits) this.show();
    if (this.front) setModes(INPUT, this.modes);
    this.front = false;
    this.wait();
  }

  owns(fd: number): boolean {
    return this.events.has(fd);
  }

  /** @returns whether all that happened is that bytes were passed on */
  ready(fd: number): boolean {
    let passed = true;
    if (fd === INPUT) passed = this.readKeys();
    else if (fd === this.screen.fd) this.screen.flush();
    else {
      if (this.keys.waits) this.keys.flush();
      if (!this.screen.waits) this.show();
    }
    this.wait();
    return passed;
  }

  /** Ours is of another size: so is the program's. */
  resized(): void {
    const { columns, rows } = sizeOf(INPUT);
    if (columns === this.size.columns && rows === this.size.rows) return;
    this.size = { columns, rows };
    if (this.over) return;
    setSize(this.pty.master, this.size);
    const text = `${columns}x${rows}`;
    this.tap?.send("r", this.now_us, new TextEncoder().encode(text));
  }

  /**
   * The program is over.
   * @returns whether all that it has shown is on our terminal
   */
  shown(): boolean {
    if (this.over) return true;
    if (this.left === Infinity) this.left = LAST_BYTES;
    while (!this.screen.waits && this.left > 0 && this.show() > 0);
    this.wait();
    return !this.screen.waits;
  }

  /** Nothing more is shown. */
  end(): ReturnType<Screen["end"]> {
    this.giveBack();
    return this.tap?.close(this.now_us) ?? {};
  }

  /** What a program leaves of modes, and of keys unread, is what it leaves without us. */
  private giveBack(): void {
    const modes = this.front && !this.over ? modesOf(this.pty.master) : null;
    if (modes) {
      const read = unreadKeys(this.c, this.pty, modes);
      const keys = Buffer.concat([read, this.keys.take()]);
      if (keys.length > 0) typeAgain(INPUT, keys, modes);
      else setModes(INPUT, modes);
    }
    this.hangUp();
  }

  /** Takes the program's away, as ours is gone or the program is over. */
  private hangUp(): void {
    if (this.over) return;
    this.front = false;
    this.over = true;
    this.wait();
    this.close();
  }

  private get now_us(): number {
    return (Bun.nanoseconds() - this.began_ns) / 1_000;
  }

  /** @returns how much there was */
  private show(): number {
    let length = 0;
    // A terminal gives little at once; while that is taken the program has more ready.
    while (length < SHOWN_BYTES) {
      const at = (this.page_at + length) as Pointer;
      const got = this.c.calls.read(this.pty.master, at, SHOWN_BYTES - length);
      if (got <= 0) break;
      length += got;
      if (got < MUCH) break;
    }
    if (length === 0) return 0;
    this.left -= length;
    const bytes = this.page.subarray(0, length);
    this.screen.put(bytes);
    this.tap?.send("o", this.now_us, bytes);
    this.passOnSoon();
    return length;
  }

  private passOnSoon(): void {
    if (this.passes || !this.tap?.waits) return;
    this.passes = true;
    this.program.after(RETRY_MS, () => {
      this.passes = false;
      if (this.over) return;
      this.tap?.pass();
      this.passOnSoon();
    });
  }

  private readKeys(): boolean {
    const got = this.c.calls.read(INPUT, this.page_at, PAGE);
    if (got > 0) return this.pass(this.page.subarray(0, got));
    const errno = got < 0 ? this.c.errno() : 0;
    if (errno === EAGAIN || errno === EINTR) return true;
    // In the background nobody reads keys; else it is gone.
    if (isOurs(this.c)) this.hangUp();
    else this.enter();
    return false;
  }

  /** @returns whether they sent no signal */
  private pass(keys: Uint8Array): boolean {
    const modes = modesOf(this.pty.master, this.modes_then);
    const sent = modes ? this.signals.in(keys, modes) : [];
    const group = sent.length > 0 ? this.foreground : 0;
    this.keys.put(keys);
    if (sent.length > 0) settleKeys(this.c, this.pty);
    for (const signal of sent) this.program.keySent(signal, group);
    return sent.length === 0;
  }

  /** Waits for what can be done now: nothing is read that nobody takes. */
  private wait(): void {
    const { master } = this.pty;
    const mayShow = !this.screen.waits && this.left > 0;
    const isKeyed = this.front && !this.keys.waits;
    const out = this.screen.waits ? POLLOUT : 0;
    const both = (mayShow ? POLLIN : 0) | (this.keys.waits ? POLLOUT : 0);
    this.waitFor(INPUT, isKeyed ? POLLIN : 0);
    this.waitFor(this.screen.fd, this.over ? 0 : out);
    this.waitFor(master, this.over ? 0 : both);
  }

  private waitFor(fd: number, events: number): void {
    if ((this.events.get(fd) ?? 0) === events) return;
    if (events === 0) this.events.delete(fd);
    else this.events.set(fd, events);
    if (events === 0) this.waiter?.unwatch(fd);
    else this.waiter?.watch(fd, events);
  }
}

/** Whether ours listens to us: we are in the foreground, or it has no jobs. */
function isOurs({ calls }: Libc): boolean {
  const group = calls.tcgetpgrp(INPUT);
  return group === -1 || group === calls.getpgid(0);
}
