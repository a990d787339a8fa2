/**
 * Records what a wrapper hands on (tap.ts) until it is gone. Nothing else happens in
 * this process, so it waits in poll(2): of a terminal that shows nothing it costs
 * nothing, and a busy one wakes it a hundred times a second and no more.
 */
import { EINTR, POLLIN } from "../os/constants.ts";
import type { Libc } from "../os/libc.ts";
import { HEAD_BYTES } from "./backlog.ts";
import type { Recorder, RecordingFacts } from "./recorder.ts";
import { Messages } from "./tap.ts";

const STDIN = 0;
const PAGE_BYTES = 256 * 1024;
/** What comes meanwhile waits in the pipe; of much it would be full by then. */
const REST_MS = 10;
const MUCH_BYTES = 32 * 1024;

/**
 * @param sleep waits so many milliseconds
 * @param killed called when the wrapper is gone without a word
 */
export function recordStream(
  c: Libc,
  recorder: Recorder,
  sleep: (ms: number) => void,
  killed: () => void,
): RecordingFacts {
  const messages = new Messages();
  const page = new Uint8Array(PAGE_BYTES);
  let last_us = 0;
  let is_whole = false;
  let last_at = performance.now();
  const now_us = () => last_us + (performance.now() - last_at) * 1_000;
  for (;;) {
    const { due_us } = recorder;
    if (due_us !== null && due_us <= now_us()) recorder.flush(now_us());
    if (!isReadable(c, recorder.due_us, now_us())) continue;
    const got = c.calls.read(STDIN, page, page.length);
    if (got === 0) break;
    if (got < 0) {
      if (c.errno() === EINTR) continue;
      break;
    }
    for (const { kind, at_us, bytes } of messages.read(page.slice(0, got))) {
      last_us = at_us;
      last_at = performance.now();
      if (kind === "o") recorder.shown({ at_us, bytes });
      else if (kind === "r") recorder.resized(bytes, at_us);
      else if (kind === "x")
        recorder.omit(Number(Buffer.from(bytes).toString()));
      else if (kind === "q") is_whole = true;
    }
    if (got < MUCH_BYTES) sleep(REST_MS);
  }
  if (!is_whole) killed();
  return recorder.close(now_us());
}

/** @returns false when something is due, or a signal came */
function isReadable(c: Libc, due_us: number | null, now_us: number): boolean {
  const ms =
    due_us === null ? -1 : Math.max(0, Math.ceil((due_us - now_us) / 1_000));
  return c.calls.poll(Int32Array.from([STDIN, POLLIN]), 1, ms) === 1;
}

/**
 * Reads the rest for nothing: who writes it must not wait, nor be told by a signal.
 * @param killed as above
 */
export function readOut(c: Libc, killed: () => void): void {
  const page = new Uint8Array(PAGE_BYTES);
  let last = Buffer.alloc(0);
  for (;;) {
    const got = c.calls.read(STDIN, page, page.length);
    if (got < 0 && c.errno() === EINTR) continue;
    if (got <= 0) break;
    last = Buffer.concat([last, page.subarray(0, got)]).subarray(-HEAD_BYTES);
  }
  // Where it begins with another message it is that one's end.
  const [only] = [...new Messages().read(last)];
  if (only?.kind !== "q") killed();
}
