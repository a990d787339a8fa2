/**
 * Reads the body of a POST, with limits on its bytes, on its time, and on the bytes
 * of all bodies that are being read.
 */
import { fail } from "../../model/failure.ts";

/** A body, and what its headers say of it. */
export interface BodySource {
  headers: Headers;
  /** null when there is none. */
  body: AsyncIterable<Uint8Array> | null;
}

/** The limits on reading. */
const LIMITS = {
  /** From the first look at a body to its end. */
  timeout_ms: 30_000,
  /** The same for a peer that has proved nothing yet. */
  unproven_timeout_ms: 5_000,
  /** Of all bodies together while they are being read. */
  under_way_max_bytes: 256 * 1024 * 1024,
};
export type BodyLimits = typeof LIMITS;

/** Reads bodies as they come. */
export class Bodies {
  private readonly limits: BodyLimits;
  private underWayBytes = 0;

  constructor(limits: Partial<BodyLimits> = {}) {
    this.limits = { ...LIMITS, ...limits };
  }

  /**
   * @param proven whether its sender has proved who it is
   * @returns null when it is larger than `max_bytes`, whatever Content-Length says
   * @throws Failure (timeout) when it is not there in time, (overloaded) when
   *   too much is under way, (unreachable) when its sender is gone
   */
  async read(
    { headers, body }: BodySource,
    max_bytes: number,
    proven: boolean,
  ): Promise<Uint8Array | null> {
    if (!body) return new Uint8Array();
    if (Number(headers.get("content-length") ?? 0) > max_bytes) return null;
    const { timeout_ms, unproven_timeout_ms } = this.limits;
    const { promise: end, resolve } = Promise.withResolvers<"late">();
    const ms = proven ? timeout_ms : unproven_timeout_ms;
    const timer = setTimeout(() => resolve("late"), ms);
    try {
      return await this.collect(body[Symbol.asyncIterator](), max_bytes, end);
    } finally {
      clearTimeout(timer);
    }
  }

  private async collect(
    reader: AsyncIterator<Uint8Array>,
    max_bytes: number,
    end: Promise<"late">,
  ): Promise<Uint8Array | null> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    try {
      for (;;) {
        const next = await Promise.race([reader.next(), end]).catch(senderGone);
        if (next === "late")
          throw fail.timeout("the body was not there in time", "send it again");
        if (next.done)
          return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
        bytes += next.value.length;
        this.underWayBytes += next.value.length;
        if (bytes > max_bytes) return null;
        if (this.underWayBytes > this.limits.under_way_max_bytes)
          throw fail.overloaded(
            "the server is reading as much as it can hold",
            "try again in a moment",
          );
        chunks.push(next.value);
      }
    } finally {
      this.underWayBytes -= bytes;
    }
  }
}

function senderGone(cause: unknown): never {
  const sentence = "the body ended before its end";
  throw fail.unreachable(sentence, undefined, { cause });
}
