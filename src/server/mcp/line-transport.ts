/**
 * Reads and writes MCP messages on standard input and output, one a line. Each line
 * with an id is answered, and all are answered before we end:
 * `echo '…' | session-buddy mcp stdio` gets its reply.
 */
import {
  type JSONRPCMessage,
  type Transport,
  isJSONRPCNotification,
  isJSONRPCRequest,
} from "@modelcontextprotocol/server";
import {
  INVALID_REQUEST,
  type Malformed,
  PARSE_ERROR,
  type RpcId,
  idOf,
  parseMessage,
  rpcError,
  readMessage,
} from "./json-rpc.ts";

/** As over HTTP. */
const LINE_MAX_BYTES = 4 * 1024 * 1024;
const NEWLINE = 0x0a;

export class LineTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: Transport["onmessage"];
  /** Resolves when the input has ended and every call is answered, or nobody reads any more. */
  readonly done: Promise<void>;
  private finish!: () => void;
  private readonly asked = new Set<string | number>();
  private ended = false;

  constructor(
    private readonly input = process.stdin,
    private readonly output = process.stdout,
  ) {
    this.done = new Promise((resolve) => (this.finish = resolve));
    output.once("error", () => this.finish());
  }

  async start(): Promise<void> {
    void this.readAll().catch((error: Error) => {
      this.onerror?.(error);
      this.finish();
    });
  }

  send(message: JSONRPCMessage): Promise<void> {
    if (!("method" in message) && "id" in message)
      this.asked.delete(message.id!);
    return this.write(message);
  }

  async close(): Promise<void> {
    this.input.destroy();
    this.finish();
    this.onclose?.();
  }

  private async readAll(): Promise<void> {
    for await (const line of linesOf(this.input)) await this.take(line);
    this.ended = true;
    this.finishIfDone();
  }

  /** @param line null for one that is too long */
  private async take(line: Uint8Array | null): Promise<void> {
    if (!line) return this.refuse(null, INVALID_REQUEST, TOO_LONG);
    if (line.every((byte) => BLANKS.includes(byte))) return;
    const parsed = parseMessage(line);
    if (!("message" in parsed)) return this.malformed(parsed);
    const given = parsed.message;
    const read = await readMessage(given);
    if ("code" in read) {
      // Whoever sends a notification waits for nothing, be it a bad one.
      if ("id" in given || !("method" in given))
        await this.refuse(idOf(given), read.code, read.message);
      return;
    }
    const message = read.message as unknown as JSONRPCMessage;
    if (isJSONRPCRequest(message)) {
      if (this.asked.has(message.id))
        return this.refuse(message.id, INVALID_REQUEST, ID_TWICE);
      this.asked.add(message.id);
    }
    const cancelled = cancelledBy(message);
    if (cancelled !== undefined) this.asked.delete(cancelled);
    this.onmessage?.(message);
  }

  private malformed({ kind, sentence }: Malformed): Promise<void> {
    const code = kind === "parse" ? PARSE_ERROR : INVALID_REQUEST;
    const text = sentence.replace(/^the body/, "the line");
    return this.refuse(null, code, `${text} (${ONE_A_LINE})`);
  }

  private refuse(id: RpcId, code: number, message: string): Promise<void> {
    return this.write(rpcError(id, code, message));
  }

  private async write(message: object): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.output.write(`${JSON.stringify(message)}\n`, () => resolve());
    await promise;
    this.finishIfDone();
  }

  private finishIfDone(): void {
    if (this.ended && this.asked.size === 0) this.finish();
  }
}

const ONE_A_LINE = "send one JSON-RPC object a line, in UTF-8";
const BLANKS = [0x20, 0x09, 0x0d];
const TOO_LONG = `the line is longer than ${LINE_MAX_BYTES} bytes (send less at a time)`;
const ID_TWICE = "a request with this id is under way already";

/** The request that a message takes back: it is never answered. */
function cancelledBy(message: JSONRPCMessage): string | number | undefined {
  return isJSONRPCNotification(message) &&
    message.method === "notifications/cancelled"
    ? (message.params as { requestId?: string | number } | undefined)?.requestId
    : undefined;
}

/** The lines of a stream, the last one with or without its end; null for one that is too long. */
async function* linesOf(
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array | null> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const line = () => {
    const whole = bytes > LINE_MAX_BYTES ? null : Buffer.concat(parts);
    parts = [];
    bytes = 0;
    return whole;
  };
  for await (const chunk of input) {
    let from = 0;
    for (let at; (at = chunk.indexOf(NEWLINE, from)) !== -1; from = at + 1) {
      bytes += at - from;
      parts.push(chunk.subarray(from, at));
      yield line();
    }
    bytes += chunk.length - from;
    if (bytes > LINE_MAX_BYTES) parts = [];
    else parts.push(chunk.subarray(from));
  }
  if (bytes > 0) yield line();
}
