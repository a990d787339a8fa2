/**
 * Stands between a host and a session-buddy server, and behaves as it is told:
 * it forwards, or does whatever a server must not do.
 */
import type { Socket, TCPSocketListener } from "bun";

/** A whole HTTP request, its body parsed. */
export interface Received {
  tool: string;
  events: Record<string, unknown>[];
  body: string;
}

/** What to do with a request; raw bytes are written as they are. */
export type Behaviour = (
  request: Received,
  socket: Socket<Buffered>,
) => string | void | Promise<string | void>;

interface Buffered {
  bytes: Buffer;
}

export class Relay implements Disposable {
  /** All that came, in order. */
  readonly received: Received[] = [];
  private readonly open = new Set<Socket<Buffered>>();
  private readonly listener: TCPSocketListener<Buffered>;

  constructor(public behave: Behaviour) {
    this.listener = Bun.listen<Buffered>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (socket) => {
          socket.data = { bytes: Buffer.alloc(0) };
          this.open.add(socket);
        },
        close: (socket) => void this.open.delete(socket),
        data: (socket, chunk) => void this.take(socket, chunk),
        error: () => {},
      },
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.listener.port}/mcp`;
  }

  /** How many wait for an answer. */
  get waiting(): number {
    return this.open.size;
  }

  /** Cuts every connection that waits. */
  cut(): void {
    for (const socket of this.open) socket.terminate();
  }

  [Symbol.dispose](): void {
    this.listener.stop(true);
  }

  private async take(socket: Socket<Buffered>, chunk: Buffer): Promise<void> {
    const bytes = Buffer.concat([socket.data.bytes, chunk]);
    socket.data.bytes = bytes;
    const head = bytes.indexOf("\r\n\r\n");
    if (head === -1) return;
    const length = Number(
      /content-length: (\d+)/i.exec(bytes.toString("latin1", 0, head))?.[1],
    );
    if (bytes.length < head + 4 + length) return;
    socket.data.bytes = Buffer.alloc(0);
    const body = bytes.toString("utf8", head + 4, head + 4 + length);
    const { params } = JSON.parse(body) as {
      params: { name: string; arguments: { events?: Received["events"] } };
    };
    const request = {
      ...{ tool: params.name, body },
      events: params.arguments.events ?? [],
    };
    this.received.push(request);
    try {
      const answer = await this.behave(request, socket);
      if (typeof answer !== "string") return;
      socket.write(answer);
      socket.end();
    } catch {
      // The server behind is gone: so are we, for whoever asks.
      socket.terminate();
    }
  }
}

/** An HTTP answer of any content. */
export function http(
  status: number,
  body: string,
  headers: Record<string, string> = {},
): string {
  const all = {
    "Content-Type": "application/json",
    "Content-Length": `${Buffer.byteLength(body)}`,
    Connection: "close",
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} x`, ...lines, "", body].join("\r\n");
}

/** The real server's answer. */
export function forward(url: string): Behaviour {
  return async ({ body }) => {
    const response = await post(url, body);
    return http(response.status, await response.text());
  };
}

/** The real server's, but that it rejects events of a kind. */
export function rejecting(url: string, kind: string): Behaviour {
  return async ({ tool, body }) => {
    if (tool !== "track_events") return forward(url)({ body } as never, null!);
    const message = JSON.parse(body) as {
      params: { arguments: { events: Record<string, unknown>[] } };
    };
    const { events } = message.params.arguments;
    const good = events.filter((event) => event["event_type"] !== kind);
    message.params.arguments.events = good;
    const answers: object[] = [];
    if (good.length > 0) {
      const response = await post(url, JSON.stringify(message));
      const { result } = (await response.json()) as {
        result: { structuredContent: { results: object[] } };
      };
      answers.push(...result.structuredContent.results);
    }
    const results = events.map(
      (event) =>
        (event["event_type"] !== kind && answers.shift()) || {
          event_id: event["event_id"],
          status: "rejected",
          error: `unknown event_type '${kind}'`,
        },
    );
    const result = { content: [], structuredContent: { results } };
    return http(200, JSON.stringify({ jsonrpc: "2.0", id: 1, result }));
  };
}

const post = (url: string, body: string) =>
  fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
