/**
 * The body of a POST to /mcp: one JSON object, read with bounds on everything:
 * its bytes, the time it takes, its nesting, and what all the bodies under way
 * hold together.
 */
import { isDeeper } from "../../model/event.ts";
import { Failure, reasonOf } from "../../model/failure.ts";

/** One JSON-RPC message, of which nothing is known but that it is an object. */
export type Message = Record<string, unknown>;

/** Deeper JSON is refused before anything recurses into it. */
const DEPTH_MAX = 100;

/** A body, and what its headers say of it. */
export interface BodySource {
  headers: Headers;
  /** null when there is none. */
  body: AsyncIterable<Uint8Array> | null;
}

/** The bounds on reading. */
export interface BodyLimits {
  /** From the first look at a body to its end. */
  timeout_ms: number;
  /** The same for who has not proved himself yet. */
  unproven_timeout_ms: number;
  /** Of all bodies together while they are being read. */
  under_way_max_bytes: number;
}

const LIMITS: BodyLimits = {
  timeout_ms: 30_000,
  unproven_timeout_ms: 5_000,
  under_way_max_bytes: 256 * 1024 * 1024,
};

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Reads bodies as they come. */
export class Bodies {
  private readonly limits: BodyLimits;
  private underWayBytes = 0;

  constructor(limits: Partial<BodyLimits> = {}) {
    this.limits = { ...LIMITS, ...limits };
  }

  /**
   * @param proven whether its sender has proved who he is
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
        const next = await Promise.race([reader.next(), end]).catch(
          (error: unknown) => {
            throw senderGone(error);
          },
        );
        if (next === "late") throw late();
        if (next.done)
          return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
        bytes += next.value.length;
        this.underWayBytes += next.value.length;
        if (bytes > max_bytes) return null;
        if (this.underWayBytes > this.limits.under_way_max_bytes)
          throw tooMuchUnderWay();
        chunks.push(next.value);
      }
    } finally {
      this.underWayBytes -= bytes;
    }
  }
}

const late = () =>
  new Failure("timeout", "the body was not there in time", "send it again");

const senderGone = (cause: unknown) =>
  new Failure("unreachable", "the body ended before its end", undefined, {
    cause,
  });

const tooMuchUnderWay = () =>
  new Failure(
    "overloaded",
    "the server is reading as much as it can hold",
    "try again in a moment",
  );

/** What a body is that cannot be a message. */
export interface Malformed {
  kind: "parse" | "shape";
  sentence: string;
  hint: string;
}

/**
 * One JSON object of bounded depth.
 * @returns what is wrong with it otherwise: `parse` when it is no JSON
 */
export function parseMessage(
  bytes: Uint8Array,
): { message: Message } | Malformed {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch (error) {
    return {
      kind: "parse",
      sentence: `the body is not JSON: ${reasonOf(error)}`,
      hint: "send one JSON-RPC object, in UTF-8",
    };
  }
  if (Array.isArray(value))
    return {
      kind: "shape",
      sentence: "batches are not served",
      hint: "send each message in a POST of its own",
    };
  if (typeof value !== "object" || value === null)
    return {
      kind: "shape",
      sentence: "the body is not a JSON object",
      hint: "send one JSON-RPC object",
    };
  if (isDeeper(value, DEPTH_MAX))
    return {
      kind: "shape",
      sentence: `the body is nested more than ${DEPTH_MAX} levels deep`,
      hint: "send flatter data",
    };
  return { message: value as Message };
}
