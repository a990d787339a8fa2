/**
 * The peer: events in bun:sqlite with synchronous=FULL and indexes on the ids.
 * It commits all that waits in one transaction, and folds nothing.
 *
 * Run by itself it is a server that takes the same bodies as ours and checks
 * nothing of them: `bun test/bench/sqlite.ts FILE` prints its address.
 */
import { Database } from "bun:sqlite";

interface Row {
  event_id: string;
  session_id?: string;
  event_type: string;
  timestamp: string;
}

export class Peer {
  private readonly db: Database;
  private waiting: (readonly Row[])[] = [];
  private commit: Promise<void> | null = null;

  constructor(path: string) {
    this.db = new Database(path);
    this.db.run("PRAGMA journal_mode = WAL");
    this.db.run("PRAGMA synchronous = FULL");
    this.db.run(`CREATE TABLE events (
      seq INTEGER PRIMARY KEY, event_id TEXT UNIQUE, session_id TEXT, kind TEXT,
      timestamp TEXT, received_at TEXT DEFAULT CURRENT_TIMESTAMP, payload TEXT)`);
    this.db.run("CREATE INDEX by_session ON events (session_id)");
  }

  append(events: readonly Row[]): Promise<void> {
    this.waiting.push(events);
    return (this.commit ??= new Promise((resolve) =>
      setImmediate(resolve),
    ).then(() => this.store()));
  }

  private store(): void {
    const insert = this.db.query(`INSERT OR IGNORE INTO events
      (event_id, session_id, kind, timestamp, payload) VALUES (?, ?, ?, ?, ?)`);
    const taken = this.waiting;
    this.waiting = [];
    this.commit = null;
    this.db.transaction(() => {
      for (const event of taken.flat())
        insert.run(
          event.event_id,
          event.session_id ?? null,
          event.event_type,
          event.timestamp,
          JSON.stringify(event),
        );
    })();
  }
}

interface Call {
  id: number;
  params: { arguments: Row | { events: Row[] } };
}

if (import.meta.main) {
  const peer = new Peer(process.argv[2]!);
  const { port } = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const { id, params } = (await request.json()) as Call;
      const { arguments: args } = params;
      const events = "events" in args ? args.events : [args];
      await peer.append(events);
      const results = events.map(({ event_id }) => ({
        ...{ event_id, status: "stored", error: null },
      }));
      return Response.json({ jsonrpc: "2.0", id, result: { results } });
    },
  });
  console.log(`http://127.0.0.1:${port}/mcp`);
}
