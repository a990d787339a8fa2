/**
 * Serves the requests of one connection one at a time, in order, and one a turn of the
 * event loop, so that all connections have their turn; the next ones wait.
 * A client that sends many without waiting for an answer is cut off. What ends the
 * connection, such as bytes that are no request, is answered after them.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Requests of a connection that wait for the one that is served. */
const WAITING_MAX = 16;
/** From the last answer of a connection to its end, for who does not close it. */
const LINGER_MS = 2_000;

/** One request and its answer. */
export interface Exchange {
  message: IncomingMessage;
  out: ServerResponse;
  /** Aborted when nobody waits for the answer any more. */
  gone: AbortController;
}

export class Pipeline {
  private current: Exchange | null = null;
  private latest: Exchange | null = null;
  private readonly waiting: { exchange: Exchange; serve: () => void }[] = [];
  /** Sent once everything is answered. */
  private lastWords: string | null = null;

  constructor(private readonly socket: Socket) {}

  /** @param serve begins to answer, when it is this request's turn */
  add(message: IncomingMessage, out: ServerResponse, serve: Serve): void {
    if (this.socket.destroyed || this.lastWords !== null) return;
    const exchange = { message, out, gone: new AbortController() };
    this.latest = exchange;
    out.once("close", () => this.left(exchange));
    if (this.current) return this.wait(exchange, () => serve(exchange));
    this.current = exchange;
    serve(exchange);
  }

  /**
   * Takes nothing more; what waits is answered, but a request that is not whole.
   * @param answer a whole one
   */
  end(answer: string): void {
    if (this.lastWords !== null) return;
    this.lastWords = this.dropUnfinished() === "answered" ? "" : answer;
    if (!this.current) this.close();
  }

  private wait(exchange: Exchange, serve: () => void): void {
    if (this.waiting.length === WAITING_MAX) return void this.socket.destroy();
    this.waiting.push({ exchange, serve });
    this.socket.pause();
  }

  private left(exchange: Exchange): void {
    if (!exchange.out.writableFinished) exchange.gone.abort();
    // In a turn of its own: one read of a connection brings a thousand requests,
    // of which each could be answered before the next is looked at.
    if (exchange === this.current) setImmediate(() => this.next());
  }

  private next(): void {
    const next = this.waiting.shift();
    this.current = next?.exchange ?? null;
    if (this.socket.destroyed) return;
    // The last one's body may be on its way yet.
    if (next && this.waiting.length === 0) this.socket.resume();
    if (next) next.serve();
    else this.close();
  }

  /**
   * What could not be read on was in the body of the latest request.
   * @returns whether that one has its answer, which may not get a second one
   */
  private dropUnfinished(): "answered" | "not" {
    const { latest } = this;
    if (!latest || latest.message.complete || !hasBody(latest.message))
      return "not";
    if (this.waiting.at(-1)?.exchange === latest) this.waiting.pop();
    else if (latest !== this.current || latest.out.headersSent)
      return "answered";
    else this.current = null;
    latest.gone.abort();
    return "not";
  }

  private close(): void {
    const { socket, lastWords } = this;
    if (socket.destroyed || lastWords === null) return;
    socket.end(lastWords);
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }
}

type Serve = (exchange: Exchange) => void;

export const hasBody = ({ headers }: IncomingMessage) =>
  headers["transfer-encoding"] !== undefined ||
  Number(headers["content-length"] ?? 0) > 0;
