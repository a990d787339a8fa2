/**
 * Converts Node's requests and responses from and to those of the web, and discards
 * the rest of a body that nobody reads.
 */
import type { IncomingMessage, ServerResponse } from "node:http";

/**
 * What is left of a body after its answer is taken from the connection up to
 * here, for many clients look for an answer only once they have sent everything.
 */
const LINGER_MS = 2_000;
const LINGER_BYTES = 16 * 1024 * 1024;
/** What is sent as it comes. */
const STREAMS: ReadonlySet<string> = new Set([
  ...["text/event-stream", "application/x-asciicast"],
]);
/** Who reads nothing for so long is gone. */
const STALL_MS = 60_000;

/** @throws TypeError for what cannot be an address or a header */
export function requestOf(
  { method, rawHeaders }: IncomingMessage,
  target: string,
  signal: AbortSignal,
): Request {
  const headers = new Headers();
  for (let at = 0; at < rawHeaders.length; at += 2)
    headers.append(rawHeaders[at]!, rawHeaders[at + 1]!);
  const url = target.startsWith("/") ? `http://localhost${target}` : target;
  // `*` of OPTIONS, and the like.
  const readable = url !== target || URL.canParse(url);
  return new Request(readable ? url : "http://localhost/", {
    ...{ method: method!, headers, signal },
  });
}

/** What comes of a body; whoever stops reading leaves the connection as it is. */
export async function* chunksOf(
  message: IncomingMessage,
  proceed?: () => void,
): AsyncGenerator<Uint8Array> {
  let chunks: Uint8Array[] = [];
  let state = "comes" as "comes" | "whole" | "cut";
  let wake = () => {};
  const end = (as: "whole" | "cut") => () => {
    if (state === "comes") state = as;
    wake();
  };
  message.on("data", (chunk: Uint8Array) => {
    chunks.push(chunk);
    wake();
  });
  message.once("end", end("whole")).once("close", end("cut"));
  proceed?.();
  for (;;) {
    const came = chunks;
    chunks = [];
    yield* came;
    if (chunks.length > 0) continue;
    if (state === "whole") return;
    if (state === "cut") throw new Error("the connection was closed");
    await new Promise<void>((resolve) => (wake = resolve));
  }
}

export async function send(
  response: Response,
  out: ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  const headers: Record<string, string> = {};
  response.headers.forEach((value, name) => (headers[name] = value));
  const type = headers["content-type"]?.replace(/;.*/, "") ?? "";
  if (!response.body || !STREAMS.has(type)) {
    const bytes = await response.bytes();
    if (response.status !== 204)
      headers["content-length"] = `${bytes.byteLength}`;
    out.writeHead(response.status, headers);
    out.end(bytes);
    return;
  }
  out.writeHead(response.status, headers);
  out.flushHeaders();
  const reader = response.body.getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  gone.addEventListener("abort", cancel);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || gone.aborted) break;
      if (!out.write(value) && !gone.aborted) await drained(out);
    }
    out.end();
  } catch {
    // What was sent is not whole, and shall not pass for it; the log says why.
    out.destroy();
    cancel();
  }
}

/** @throws when nothing is read for long: nobody keeps a stream open for nothing */
async function drained(out: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve("stalled"), STALL_MS);
  const on = () => resolve("on");
  out.once("drain", on).once("close", on);
  const how = await promise;
  clearTimeout(timer);
  out.off("drain", on).off("close", on);
  if (how === "stalled") throw new Error("nobody reads it");
}

/**
 * Takes the rest of a body that nobody reads, for a while.
 * @returns whether that was all of it
 */
export function takeRest(message: IncomingMessage): Promise<boolean> {
  if (message.complete) return Promise.resolve(true);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), LINGER_MS);
  let bytes = 0;
  const count = (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes > LINGER_BYTES) resolve(false);
  };
  const over = () => resolve(message.complete);
  message.removeAllListeners("data");
  message.on("data", count).once("end", over).once("close", over).resume();
  return promise.finally(() => {
    clearTimeout(timer);
    message.off("data", count).off("end", over).off("close", over);
  });
}
