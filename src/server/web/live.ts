/**
 * Tells open pages that something was stored, over a stream each, and no more than
 * that: the page asks anew for what it shows. Who reads slowly misses nothing.
 */
import { fail } from "../../model/failure.ts";

/** How often it is looked whether something was stored. */
const LOOK_MS = 250;
/** Without news, so that whoever is gone is found out. */
const QUIET_MS = 15_000;
/** Then the page comes again, with a token that still holds. */
const LIFE_MS = 10 * 60_000;
const STREAMS_MAX = 32;

type Stream = ReadableStreamDefaultController<Uint8Array>;

const bytes = (text: string) => new TextEncoder().encode(text);
const QUIET = bytes(": quiet\n\n");

export class Live {
  private readonly streams = new Map<Stream, Timer>();
  private timer: Timer | null = null;
  private told = -1;
  private told_at = 0;

  /**
   * @param seq of the newest event that is stored
   * @throws whatever keeps it from being known: then nothing is told
   */
  constructor(private readonly seq: () => number) {}

  /**
   * @param gone aborted when nobody reads any more
   * @throws Failure (overloaded)
   */
  open(gone: AbortSignal | undefined): Response {
    if (this.streams.size >= STREAMS_MAX)
      throw fail.overloaded(
        `${STREAMS_MAX} pages are told already of what comes`,
        "close one",
      );
    let stream: Stream;
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          stream = controller;
          const end = setTimeout(() => this.end(stream), LIFE_MS);
          this.streams.set(stream, end);
          controller.enqueue(bytes("retry: 2000\n\n"));
        },
        cancel: () => this.forget(stream),
      },
      { highWaterMark: 4 },
    );
    gone?.addEventListener("abort", () => this.end(stream), { once: true });
    this.timer ??= setInterval(() => this.look(), LOOK_MS);
    return new Response(body, {
      headers: { "content-type": "text/event-stream" },
    });
  }

  close(): void {
    for (const stream of [...this.streams.keys()]) this.end(stream);
  }

  private look(): void {
    let seq: number;
    try {
      seq = this.seq();
    } catch {
      // The database is away; what asks it is told why.
      return;
    }
    const now = performance.now();
    if (seq === this.told && now - this.told_at < QUIET_MS) return;
    const chunk =
      seq === this.told ? QUIET : bytes(`data: ${JSON.stringify({ seq })}\n\n`);
    this.told = seq;
    this.told_at = now;
    for (const stream of this.streams.keys())
      // What waits says the same.
      if ((stream.desiredSize ?? 0) > 0) stream.enqueue(chunk);
  }

  private end(stream: Stream): void {
    if (!this.streams.has(stream)) return;
    this.forget(stream);
    stream.close();
  }

  private forget(stream: Stream): void {
    clearTimeout(this.streams.get(stream));
    this.streams.delete(stream);
    if (this.streams.size > 0 || this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
  }
}
