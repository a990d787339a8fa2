/**
 * The body of a POST to /mcp: one JSON object, read with bounds on everything:
 * its bytes, the time it takes, its nesting, and what all the bodies under way
 * hold together.
 */
import { Failure, reasonOf } from "../model/failure.ts";

/** One JSON-RPC message, of which nothing is known but that it is an object. */
export type Message = Record<string, unknown>;

/** Deeper JSON is refused before anything recurses into it. */
const DEPTH_MAX = 100;
/** Read in one go, which is cheaper, but shows nothing before its end. */
const SMALL_BYTES = 64 * 1024;
/**
 * A body that is too large is read to its end up to here, and forgotten as it
 * comes: many clients look for an answer only once they have sent everything.
 */
const PATIENCE_BYTES = 16 * 1024 * 1024;
const PATIENCE_MS = 2_000;
/** The bounds on reading. */
export interface BodyLimits {
  /** From the first look at a body to its end. */
  timeout_ms: number;
  /** Of all larger bodies together while they are being read. */
  under_way_max_bytes: number;
}

const LIMITS: BodyLimits = {
  timeout_ms: 30_000,
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
   * @returns null when it is larger than `max_bytes`, whatever Content-Length says
   * @throws Failure (timeout) when it is not there in time, (overloaded) when
   *   too much is under way, (unreachable) when its sender is gone
   */
  async read(request: Request, max_bytes: number): Promise<Uint8Array | null> {
    if (!request.body) return new Uint8Array();
    const length = request.headers.get("content-length");
    const declared = length === null ? Infinity : Number(length);
    if (length !== null && declared > PATIENCE_BYTES) return null;
    // The runtime holds the body to its Content-Length.
    return declared <= Math.min(SMALL_BYTES, max_bytes)
      ? this.readSmall(request)
      : this.readChunks(request.body, max_bytes, declared);
  }

  private async readSmall(request: Request): Promise<Uint8Array> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(late()), this.limits.timeout_ms);
    try {
      return await Promise.race([request.bytes(), promise]);
    } catch (error) {
      throw error instanceof Failure ? error : senderGone(error);
    } finally {
      clearTimeout(timer);
    }
  }

  private async readChunks(
    body: ReadableStream<Uint8Array>,
    max_bytes: number,
    declared: number,
  ): Promise<Uint8Array | null> {
    const { timeout_ms, under_way_max_bytes } = this.limits;
    const reader = body.getReader();
    let tooLarge = Number.isFinite(declared) && declared > max_bytes;
    const patience_ms = Math.min(timeout_ms, PATIENCE_MS);
    // Wakes a read that waits; what it returns then is not looked at.
    let ends = deadlineFor(reader, tooLarge ? patience_ms : timeout_ms);
    let chunks: Uint8Array[] = [];
    let bytes = 0;
    let kept = 0;
    try {
      for (;;) {
        const { done, value } = await reader.read().catch((error: unknown) => {
          throw senderGone(error);
        });
        const isLate = performance.now() >= ends.at;
        if (tooLarge && (done || isLate)) return null;
        if (isLate) throw late();
        if (done) return Buffer.concat(chunks, bytes);
        bytes += value.length;
        if (bytes > PATIENCE_BYTES) return null;
        if (!tooLarge && bytes > max_bytes) {
          tooLarge = true;
          chunks = [];
          clearTimeout(ends.timer);
          ends = deadlineFor(reader, patience_ms);
        }
        if (tooLarge) continue;
        kept += value.length;
        this.underWayBytes += value.length;
        if (this.underWayBytes > under_way_max_bytes) throw tooMuchUnderWay();
        chunks.push(value);
      }
    } finally {
      clearTimeout(ends.timer);
      this.underWayBytes -= kept;
      void reader.cancel().catch(() => undefined);
    }
  }
}

function deadlineFor(
  reader: { cancel(): Promise<void> },
  in_ms: number,
): { at: number; timer: ReturnType<typeof setTimeout> } {
  const timer = setTimeout(() => void reader.cancel(), in_ms);
  return { at: performance.now() + in_ms, timer };
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

/** Whether objects and arrays are nested in more levels; looks no deeper than that. */
function isDeeper(value: object, levels: number): boolean {
  if (levels === 0) return true;
  const inner = (item: unknown) =>
    typeof item === "object" && item !== null && isDeeper(item, levels - 1);
  if (Array.isArray(value)) return value.some(inner);
  for (const key in value) if (inner(value[key as never])) return true;
  return false;
}
