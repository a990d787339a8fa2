/**
 * Serves HTTP connections: one answer a request, in the order of the requests. A
 * connection that sends nothing, or not all of its headers, is closed soon; what
 * the parser refuses is answered in JSON like everything else.
 */
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { fail } from "../../model/failure.ts";
import type { Endpoint } from "../../os/peer.ts";
import type { BodySource } from "./body.ts";
import { ListeningSocket } from "../../os/descriptors.ts";
import { type Exchange, Pipeline, hasBody } from "./pipeline.ts";
import { chunksOf, requestOf, send, takeRest } from "./streams.ts";
import { errorResponse } from "./error-response.ts";

/** From the connection, or from a request's first byte, to the end of its headers. */
const HEADERS_MS = 10_000;
/** How often connections are looked at for that. */
const LOOK_MS = 2_500;
/** Without a request; clients are told of it. */
const KEEP_ALIVE_MS = 60_000;
const HEADERS_BYTES = 16 * 1024;
/**
 * The engine accepts as long as somebody waits, and reads and answers what it
 * has accepted meanwhile: who connects anew as fast as that would keep it there
 * for ever. After so many it has to look at everything else.
 */
const ACCEPTS_A_TURN = 8;
/** Until another look whether there is room for connections again. */
const FULL_MS = 10;

export type Where =
  | { unix: string }
  | { host: string; port: number; tls: { cert: string; key: string } | null };

/** One request as it came. */
export interface Arrival {
  /** Its method, address, headers and signal; its body is apart. */
  request: Request;
  /** The target as the client wrote it. */
  target: string;
  body: BodySource["body"];
  /** The same for all requests of a connection. */
  connection: object;
  /** The other end; null once the connection is reset. */
  remote(): Endpoint | null;
  /** Our end, by its exact address; null likewise. */
  local(): Endpoint | null;
}

export type Answer = (arrival: Arrival) => Promise<Response>;

export class HttpListener {
  private readonly pipelines = new WeakMap<Socket, Pipeline>();
  /** Whoever connects to our own socket is our user: that one is not held back. */
  private listening: ListeningSocket | null = null;
  private accepted = 0;

  private constructor(
    private readonly server: http.Server,
    private readonly answer: Answer,
    private readonly mayAccept: () => boolean,
  ) {
    // A client that has ended its side waits for its answer.
    Object.assign(server, { httpAllowHalfOpen: true });
    server.on("connection", () => this.countAccepted());
    server.on("request", (message, out) => this.take(message, out));
    server.on("checkContinue", (message, out) =>
      this.take(message, out, () => out.writeContinue()),
    );
    server.on("checkExpectation", (message, out) =>
      this.pipeline(message.socket).add(
        message,
        out,
        (exchange) =>
          void this.finish(
            exchange,
            notUnderstood(
              417,
              "nothing but 100-continue can be expected of this server",
              "send the request without its Expect header",
            ),
          ),
      ),
    );
    server.on("connect", (_message, socket: Socket) =>
      this.pipeline(socket).end(rawAnswer(400, "CONNECT is not served here")),
    );
    server.on("clientError", (error, socket) =>
      this.unreadable(error as { code?: string }, socket as Socket),
    );
  }

  /**
   * @param mayAccept asked at each connection whether another may come after it
   * @param headers_ms from a connection, or a request's first byte, to the end of its headers
   * @throws what the system says against the address, or TLS against its files
   */
  static async listen(
    where: Where,
    answer: Answer,
    mayAccept: () => boolean,
    headers_ms: number = HEADERS_MS,
  ): Promise<HttpListener> {
    const options = {
      connectionsCheckingInterval: Math.min(LOOK_MS, headers_ms),
      headersTimeout: headers_ms,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: HEADERS_BYTES,
      // Bodies have limits of their own, and so has a missing Host.
      requestTimeout: 0,
      requireHostHeader: false,
    };
    const tls = "unix" in where ? null : where.tls;
    const server = tls
      ? https.createServer({ ...options, ...tls })
      : http.createServer(options);
    const listener = new HttpListener(server as http.Server, answer, mayAccept);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      const at =
        "unix" in where
          ? { path: where.unix }
          : { host: where.host, port: where.port, exclusive: true };
      server.listen(at, resolve);
    });
    const { address } = listener;
    if (address) listener.listening = ListeningSocket.on(address.port);
    return listener;
  }

  /** Where it listens; null for a socket of this host. */
  get address(): AddressInfo | null {
    const address = this.server.address();
    return typeof address === "object" ? address : null;
  }

  /** Accepts no more; resolves when the last connection is closed. */
  stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.letGo();
    this.server.close(() => resolve());
    this.server.closeIdleConnections();
    return promise;
  }

  /** Ends every connection as it is. */
  kill(): void {
    this.letGo();
    this.server.close();
    this.server.closeAllConnections();
  }

  private letGo(): void {
    this.listening?.[Symbol.dispose]();
    this.listening = null;
  }

  private countAccepted(): void {
    this.accepted++;
    if (this.accepted === 1) setImmediate(() => this.acceptAgain());
    if (this.accepted === ACCEPTS_A_TURN || !this.mayAccept())
      this.listening?.pause();
  }

  /** The next turn begins, or the wait for room goes on. */
  private acceptAgain(): void {
    if (!this.mayAccept())
      return void setTimeout(() => this.acceptAgain(), FULL_MS).unref();
    this.accepted = 0;
    this.listening?.resume();
  }

  private pipeline(socket: Socket): Pipeline {
    let pipeline = this.pipelines.get(socket);
    if (!pipeline)
      this.pipelines.set(socket, (pipeline = new Pipeline(socket)));
    return pipeline;
  }

  private take(
    message: IncomingMessage,
    out: ServerResponse,
    proceed?: () => void,
  ): void {
    // The rest of what was read at once of a connection that was cut off.
    if (message.socket.destroyed) return;
    // Told by the end of its body, and by the answer's.
    message.on("error", () => undefined);
    out.on("error", () => undefined);
    this.pipeline(message.socket).add(message, out, (exchange) => {
      const { signal } = exchange.gone;
      void this.finish(exchange, this.responseTo(message, signal, proceed));
    });
  }

  private async finish(
    { message, out, gone: { signal } }: Exchange,
    coming: Promise<Response> | Response,
  ): Promise<void> {
    const response = await coming;
    // Such a connection is closed with its answer, read or not.
    const closes = message.headers.connection?.toLowerCase() === "close";
    if (closes && !message.complete) await takeRest(message);
    if (signal.aborted) return;
    await send(response, out, signal);
    if (await takeRest(message)) return;
    message.socket.destroy();
  }

  private responseTo(
    message: IncomingMessage,
    signal: AbortSignal,
    proceed?: () => void,
  ): Promise<Response> | Response {
    const target = message.url ?? "";
    const { socket } = message;
    const coding = message.headers["transfer-encoding"]?.trim() ?? "chunked";
    if (coding.toLowerCase() !== "chunked")
      return notUnderstood(
        501,
        "of all transfer codings only chunked is served",
        "send the body as it is, not compressed",
      );
    let request: Request;
    try {
      request = requestOf(message, target, signal);
    } catch {
      const failure = fail.refused(
        "the request cannot be read",
        "see RFC 9112",
      );
      return errorResponse(failure, "other");
    }
    return this.answer({
      ...{ request, target, connection: socket },
      body: hasBody(message) ? chunksOf(message, proceed) : null,
      remote: () => endpoint(socket.remoteAddress, socket.remotePort),
      local: () => endpoint(socket.localAddress, socket.localPort),
    });
  }

  /** What is no request at all, or did not come in time. */
  private unreadable({ code }: { code?: string }, socket: Socket): void {
    if (!socket.writable || code === "ECONNRESET") return void socket.destroy();
    const [status, sentence] = UNREADABLE[code ?? ""] ?? [
      400,
      "this is not an HTTP request that can be read",
    ];
    this.pipeline(socket).end(rawAnswer(status, sentence));
  }
}

const UNREADABLE: Record<string, [status: number, sentence: string]> = {
  HPE_HEADER_OVERFLOW: [
    431,
    `the headers are larger than ${HEADERS_BYTES} bytes`,
  ],
  HPE_INVALID_VERSION: [505, "only HTTP/1.1 and HTTP/1.0 are served"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "the request was not there in time"],
};

const endpoint = (address?: string, port?: number): Endpoint | null =>
  address && port ? { address, port } : null;

/** Its rest would not be understood either: the connection ends. */
const notUnderstood = (status: number, sentence: string, hint: string) =>
  errorResponse(fail.refused(sentence, hint), "other", {
    ...{ status, headers: { connection: "close" } },
  });

/** A whole answer, for a connection that has no request to answer. */
function rawAnswer(status: number, sentence: string): string {
  const error = { code: "refused", message: sentence };
  const body = JSON.stringify({ error });
  return [
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`,
    "Content-Type: application/json",
    "Cache-Control: no-store",
    `Content-Length: ${Buffer.byteLength(body)}`,
    `Connection: close\r\n\r\n${body}`,
  ].join("\r\n");
}
