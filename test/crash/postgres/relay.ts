/**
 * Stands between a server of ours and PostgreSQL and reads what is asked, to cut the
 * connection at a COMMIT: before the database has it, as it gets it, or once it has
 * answered. It can be shut, it can swallow all that comes, and keep an answer back.
 */
import { type Server, type Socket, connect, createServer } from "node:net";

/** Where in a commit a connection goes. */
export type Cut = "before" | "at" | "after";
export const CUTS: readonly Cut[] = ["before", "at", "after"];

const HEADER = 5;
const PROTOCOL_3 = 196_608;

export class PostgresRelay implements AsyncDisposable {
  /** How often a connection was cut at a COMMIT. */
  cuts = 0;
  /** Connections that came, let in or not. */
  came = 0;
  /** COMMITs that went through. */
  commits = 0;
  readonly listening: Promise<void>;
  private readonly server: Server;
  private readonly pairs = new Set<Pair>();
  private readonly waiting: Cut[] = [];
  private shut = false;
  private stalled = false;
  /** Told of the answer that is kept back. */
  private kept: ((pass: () => void) => void) | null = null;

  /** @param target the port of the database on this host */
  constructor(private readonly target: number) {
    this.server = createServer((client) => this.take(client));
    this.listening = new Promise((done) =>
      this.server.listen(0, "127.0.0.1", done),
    );
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  /** The next COMMIT of all connections is cut. */
  cutNext(how: Cut): void {
    this.waiting.push(how);
  }

  /** No COMMIT is cut any more. */
  forget(): void {
    this.waiting.length = 0;
  }

  /** Who comes is not let in, and who is in is thrown out. */
  close(): void {
    this.shut = true;
    this.cutAll();
  }

  open(): void {
    this.shut = false;
  }

  /**
   * Keeps back what the database answers next.
   * @returns once it has answered, what lets that pass
   */
  keepNext(): Promise<() => void> {
    return new Promise((kept) => (this.kept = kept));
  }

  cutAll(): void {
    for (const pair of this.pairs) pair.cut();
  }

  /** Bytes go neither way, and nobody is told. */
  stall(): void {
    this.stalled = true;
    for (const pair of this.pairs) pair.pause();
  }

  flow(): void {
    this.stalled = false;
    for (const pair of this.pairs) pair.resume();
  }

  private take(client: Socket): void {
    client.on("error", () => {});
    this.came++;
    if (this.shut) return void client.destroy();
    const pair = new Pair(client, connect(this.target, "127.0.0.1"), {
      atCommit: () => this.atCommit(),
      atAnswer: (pass) => this.atAnswer(pass),
    });
    this.pairs.add(pair);
    pair.over = () => this.pairs.delete(pair);
    if (this.stalled) pair.pause();
  }

  private atCommit(): Cut | null {
    const cut = this.waiting.shift() ?? null;
    if (cut) this.cuts++;
    else this.commits++;
    return cut;
  }

  private atAnswer(pass: () => void): void {
    const { kept } = this;
    this.kept = null;
    if (kept) kept(pass);
    else pass();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await new Promise((done) => this.server.close(done));
  }
}

/** A connection to us and ours to the database. */
class Pair {
  over: () => void = () => {};
  private readonly asked = new Messages();
  /** Once the database answers, nothing of it is passed on. */
  private cutAtAnswer = false;

  constructor(
    private readonly client: Socket,
    private readonly database: Socket,
    private readonly hears: {
      atCommit(): Cut | null;
      atAnswer(pass: () => void): void;
    },
  ) {
    for (const socket of [client, database]) {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => this.cut());
    }
    client.on("data", (bytes: Buffer) => this.pass(bytes));
    database.on("data", (bytes) => {
      if (this.cutAtAnswer) return this.cut();
      database.pause();
      hears.atAnswer(() => {
        if (client.write(bytes)) database.resume();
      });
    });
    client.on("drain", () => database.resume());
    database.on("drain", () => client.resume());
  }

  pause(): void {
    this.client.pause();
    this.database.pause();
  }

  resume(): void {
    this.client.resume();
    this.database.resume();
  }

  cut(): void {
    this.client.destroy();
    this.database.destroy();
    this.over();
  }

  private pass(bytes: Buffer): void {
    const at = this.asked.commitIn(bytes);
    const cut = at === null ? null : this.hears.atCommit();
    if (cut === "before") return this.cut();
    if (cut === "after") this.cutAtAnswer = true;
    if (!this.database.write(bytes)) this.client.pause();
    // What was written last is on its way, or not.
    if (cut === "at") this.database.end(() => this.cut());
  }
}

/** Follows the messages of one client (PostgreSQL's protocol 3.0). */
class Messages {
  private rest = Buffer.alloc(0);
  private started = false;
  /** Prepared statements that commit. */
  private readonly prepared = new Set<string>();

  /** @returns whether a COMMIT ends in these bytes; null when none does */
  commitIn(bytes: Buffer): true | null {
    let buffer = Buffer.concat([this.rest, bytes]);
    let found: true | null = null;
    for (;;) {
      const type = this.started ? 1 : 0;
      if (buffer.length < type + 4) break;
      const length = type + buffer.readInt32BE(type);
      if (buffer.length < length) break;
      const message = buffer.subarray(0, length);
      if (!this.started)
        this.started = length >= 8 && message.readInt32BE(4) === PROTOCOL_3;
      else if (this.isCommit(message)) found = true;
      buffer = buffer.subarray(length);
    }
    this.rest = Buffer.from(buffer);
    return found;
  }

  private isCommit(message: Buffer): boolean {
    const type = String.fromCharCode(message[0]!);
    const texts = message.toString("latin1", HEADER).split("\0");
    if (type === "Q") return commits(texts[0]!);
    // Parse: its name, then the statement.
    if (type === "P") {
      const [name = "", statement = ""] = texts;
      this.prepared.delete(name);
      if (commits(statement)) this.prepared.add(name);
    }
    // Bind: the portal, then the name.
    return type === "B" && this.prepared.has(texts[1] ?? "");
  }
}

const commits = (statement: string) =>
  /(^|;)\s*(COMMIT|END)\b/i.test(statement);
