/**
 * Hands what a terminal shows to a process of our own that records it
 * (`record-screen`): taking secrets out and packing is work, and trouble, that no shell
 * shall wait for. It ends when we do, however we end, and keeps all that it was given.
 *
 * It may be slower than the program for a while: what waits for it is little, and the
 * terminal waits with it, as with a slow line. But it has to take a megabyte a second, or
 * a second's patience is over, and what comes is left out until it has taken all.
 *
 * A message: kind (a byte), length (4 bytes), microseconds since the start (8 bytes, a
 * double), and so many bytes; all little-endian. `q` is the last. It answers an empty
 * line once it records, and at the end, in one line of JSON, what that came to.
 */
import { EAGAIN, EINTR, POLLIN, POLLOUT } from "../os/constants.ts";
import type { Libc } from "../os/libc.ts";
import { closeFile } from "../os/file.ts";
import { pipe, spawnAside } from "../os/spawn.ts";
import type { JsonObject } from "../model/event.ts";
import { Backlog, HEAD_BYTES } from "./backlog.ts";

export type MessageKind = "o" | "r" | "x" | "q";

/** By this path also when the executable was replaced meanwhile. */
const COMMAND = ["/proc/self/exe", "record-screen"];
const ARGV0 = "session-buddy";
const F_SETPIPE_SZ = 1031;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const PIPE_BYTES = 512 * 1024;
/** What waits here would be lost with us: past so much, and so long, the terminal waits. */
const MOST_BYTES = 8 * 1024 * 1024;
const LITTLE_BYTES = 256 * 1024;
const MOST_US = 150_000;
/** So much is handed on at once; less, when `pass` is called. */
const AT_ONCE_BYTES = 32 * 1024;
/** How long the terminal waits while it takes nothing. */
const PATIENCE_MS = 1_000;
/** Each of these that it takes is worth a millisecond more. */
const PACE_BYTES = 1024;
/** How long we wait at the end for what the recording came to. */
const CLOSE_MS = 5_000;
const ENDED = "the process that writes its recording was ended";
const SILENT = "the process that writes its recording does not answer";

export class Tap {
  private readonly waiting = new Backlog();
  /** Bytes that it could not be given. */
  private omitted = 0;
  /** It is gone. */
  private broken = false;
  private patience_ms = PATIENCE_MS;
  /** What it has answered. */
  private heard = "";

  private constructor(
    private readonly c: Libc,
    private readonly to: number,
    private readonly answer: number,
  ) {}

  /** @returns null when there is no process or descriptor for it */
  static open(c: Libc, args: readonly string[]): Tap | null {
    const given = pipe(c);
    if (!given) return null;
    const told = pipe(c);
    if (!told) {
      for (const fd of [given.from, given.to]) closeFile(fd);
      return null;
    }
    // Ours is the end that must not block.
    c.calls.fcntl(given.from, F_SETFL, 0);
    c.calls.fcntl(given.to, F_SETFL, O_NONBLOCK);
    c.calls.fcntl(given.to, F_SETPIPE_SZ, PIPE_BYTES);
    const words = [...COMMAND, ...args];
    const pid = spawnAside(c, words, ARGV0, told.to, given.from);
    for (const fd of [given.from, told.to]) closeFile(fd);
    if (pid !== null) return new Tap(c, given.to, told.from);
    for (const fd of [given.to, told.from]) closeFile(fd);
    return null;
  }

  /**
   * Waits until it records.
   * @returns why it does not, in words
   */
  trouble(): string | null {
    const ended = this.hear(() => this.heard.includes("\n"));
    const [line, ...more] = this.heard.split("\n");
    if (more.length === 0) return ended ? ENDED : SILENT;
    const { trouble } = line ? (JSON.parse(line) as JsonObject) : {};
    return trouble === undefined ? null : String(trouble);
  }

  /** @param bytes are copied: the caller's page may be used again */
  send(kind: MessageKind, at_us: number, bytes: Uint8Array): void {
    if (this.broken) return;
    if (this.omitted > 0 && this.waiting.bytes === 0) {
      const text = new TextEncoder().encode(`${this.omitted}`);
      this.omitted = 0;
      this.waiting.put("x", at_us, text);
    }
    this.waitForRoom(at_us);
    const left_out = this.omitted > 0 || this.isTooMuch(at_us);
    if (left_out && kind === "o") this.omitted += bytes.length;
    else this.waiting.put(kind, at_us, bytes);
    // Not at once: whoever looks at the terminal shall have the processor first.
    if (kind !== "o" || this.waiting.bytes >= AT_ONCE_BYTES) this.pass();
  }

  /** Whether something waits that is to be handed on soon. */
  get waits(): boolean {
    return this.waiting.bytes > 0 && !this.broken;
  }

  /** Hands on what waits, as far as it takes it. */
  pass(): void {
    while (this.waits) {
      const { left } = this.waiting;
      const wrote = this.c.calls.write(this.to, left, left.length);
      if (wrote < 0) {
        const errno = this.c.errno();
        if (errno === EINTR) continue;
        if (errno !== EAGAIN) this.broken = true;
        return;
      }
      this.waiting.take(wrote);
      const earned = this.patience_ms + wrote / PACE_BYTES;
      this.patience_ms = Math.min(PATIENCE_MS, earned);
    }
  }

  /**
   * Nothing more comes.
   * @returns what the recording came to; `trouble` alone where it does not say
   */
  close(at_us: number): JsonObject {
    const left = within(CLOSE_MS);
    while (this.waits && left() > 0) this.wait(left());
    this.send("q", at_us, new Uint8Array());
    while (this.waits && left() > 0) this.wait(left());
    closeFile(this.to);
    const ended = this.hear(() => false, left);
    closeFile(this.answer);
    const text = this.heard.trim();
    // It is our own program: what it says whole is JSON.
    return text && this.heard.endsWith("\n")
      ? (JSON.parse(text) as JsonObject)
      : { trouble: ended ? ENDED : SILENT };
  }

  /**
   * Takes what it answers, until that is all, or there is no time left.
   * @returns whether it has ended
   */
  private hear(is_all: () => boolean, left = within(CLOSE_MS)): boolean {
    const page = new Uint8Array(4096);
    while (!is_all()) {
      const got = this.c.calls.read(this.answer, page, page.length);
      if (got > 0) this.heard += Buffer.from(page.subarray(0, got)).toString();
      else if (got === 0) return true;
      else if (left() === 0) return false;
      else this.c.calls.poll(Int32Array.from([this.answer, POLLIN]), 1, left());
    }
    return false;
  }

  /** As long as it takes something, and a while when it does not. */
  private waitForRoom(now_us: number): void {
    while (this.isTooMuch(now_us) && !this.broken) {
      if (this.omitted > 0 || this.patience_ms < 1) return;
      const began = Bun.nanoseconds();
      this.wait(Math.ceil(this.patience_ms));
      // By what it took while we waited `wait` has added to it.
      this.patience_ms -= (Bun.nanoseconds() - began) / 1e6;
    }
  }

  private isTooMuch(now_us: number): boolean {
    const { bytes, since_us } = this.waiting;
    if (bytes <= LITTLE_BYTES) return false;
    return bytes > MOST_BYTES || now_us - since_us > MOST_US;
  }

  private wait(ms: number): void {
    this.c.calls.poll(Int32Array.from([this.to, POLLOUT]), 1, ms);
    this.pass();
  }
}

/** How many milliseconds are left of so many from now on. */
function within(ms: number): () => number {
  const until = Bun.nanoseconds() + ms * 1e6;
  return () => Math.max(0, Math.ceil((until - Bun.nanoseconds()) / 1e6));
}

/** The messages in a stream, in pieces as they come. */
export class Messages {
  private rest: Uint8Array = new Uint8Array();

  *read(chunk: Uint8Array): Generator<{
    kind: string;
    at_us: number;
    bytes: Uint8Array;
  }> {
    let bytes: Uint8Array =
      this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    for (;;) {
      if (bytes.length < HEAD_BYTES) break;
      const view = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES);
      const end = HEAD_BYTES + view.getUint32(1, true);
      if (bytes.length < end) break;
      yield {
        kind: String.fromCharCode(bytes[0]!),
        at_us: view.getFloat64(5, true),
        bytes: bytes.subarray(HEAD_BYTES, end),
      };
      bytes = bytes.subarray(end);
    }
    this.rest = bytes;
  }
}
