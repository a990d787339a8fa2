/**
 * A host that records and a server on another one, with a proxy between that keeps a
 * list of what passes, and does with the pieces of recordings what it is told.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Pty } from "./pty.ts";
import { RECORD, begun } from "./recorded-screen.ts";
import { type Finished, Sandbox } from "./sandbox.ts";
import { TestServer, type ServerOptions } from "./server.ts";
import { gone, recorderOf, until } from "./wait.ts";

/** A request that brings a piece of a recording. */
export interface Piece {
  session_id: string;
  offset: number;
  bytes: Uint8Array;
}

/** What becomes of one: null goes on to the server, `cut` ends the connection. */
export type OnPiece = (
  piece: Piece,
) => Response | Piece | "cut" | null | Promise<Response | Piece | "cut" | null>;

export class FarHost implements AsyncDisposable {
  readonly near = new Sandbox();
  /** What passed: tools, and the pieces of recordings with a byte or more. */
  readonly passed: (string | Piece)[] = [];
  onPiece: OnPiece = () => null;
  private readonly proxy: Bun.Server<undefined>;
  /** Our end of a pipe that what is recorded waits at; open for both directions. */
  private readonly go: number;

  private constructor(
    readonly far: Sandbox,
    public server: TestServer,
    private readonly options: ServerOptions,
  ) {
    writeFileSync(
      join(this.near.home, ".bashrc"),
      "PS1='<\\#>$ '\nunset HISTFILE\n",
    );
    const pipe = join(this.near.home, "go");
    Bun.spawnSync(["mkfifo", pipe]);
    this.go = openSync(pipe, "r+");
    this.proxy = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      idleTimeout: 60,
      fetch: (request) => this.pass(request),
    });
  }

  static async start(options: ServerOptions = {}): Promise<FarHost> {
    const far = new Sandbox();
    return new FarHost(far, await TestServer.start(far, options), options);
  }

  /** Where the near host's clients ask. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.proxy.port}/mcp`;
  }

  /** Another server process on the same data. */
  async restart(flags: string[] = []): Promise<void> {
    const all = [...(this.options.flags ?? []), ...flags];
    this.server = await TestServer.start(this.far, {
      ...{ ...this.options, flags: all },
    });
  }

  get pieces(): Piece[] {
    return this.passed.filter((one) => typeof one !== "string");
  }

  private async pass(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    let bytes = Uint8Array.from(await request.bytes());
    const [, session_id] = /^\/recordings\/([^/]+)$/.exec(pathname) ?? [];
    if (session_id !== undefined) {
      const offset = Number(/offset=(\d+)/.exec(search)?.[1] ?? 0);
      const done = await this.onPiece({ session_id, offset, bytes });
      if (done === "cut") return cut();
      if (done instanceof Response) return done;
      if (done) bytes = Uint8Array.from(done.bytes);
      if (bytes.length > 0) this.passed.push({ session_id, offset, bytes });
    } else
      for (const [, tool] of `${Buffer.from(bytes)}`.matchAll(
        /"params":\{"name":"(\w+)"/g,
      ))
        this.passed.push(tool!);
    const headers = new Headers(request.headers);
    headers.delete("host");
    try {
      return await fetch(`${this.server.origin}${pathname}${search}`, {
        ...{ method: request.method, headers },
        ...(request.method === "GET" ? {} : { body: bytes }),
      });
    } catch {
      return cut();
    }
  }

  /** Records a shell on the near host, in which nothing but this is run. */
  async record(script: string): Promise<string> {
    const before = new Set(this.recordings(this.near));
    // A recorder that begins late may be given less than all, or have no time to end.
    const waits = `read < ~/go; ${script}`;
    await using pty = new Pty(this.near, [...RECORD, "bash", "-c", waits]);
    const recorder = await until("its recorder", () => recorderOf(pty.pid));
    await until("its recording", () =>
      this.recordings(this.near).some(
        (id) => !before.has(id) && begun(this.near, id),
      ),
    );
    writeSync(this.go, "\n");
    await pty.ended();
    // As long as it has its lock, it is not over for anybody.
    await gone(recorder);
    const made = this.recordings(this.near).filter((id) => !before.has(id));
    if (made.length !== 1) throw new Error(`${made.length} recordings`);
    return made[0]!;
  }

  /** Brings what was recorded to the server, as a user would. */
  drain(
    flags: string[] = [],
    env: Record<string, string | undefined> = {},
  ): Promise<Finished> {
    return this.near.run(["drain", ...flags], { env: this.env(env) });
  }

  env(more: Record<string, string | undefined> = {}) {
    return { SESSION_BUDDY_MCP_ENDPOINT: this.endpoint, ...more };
  }

  /** The sessions of whose terminals a host has a whole recording. */
  recordings({ data }: Sandbox): string[] {
    const suffix = ".rec";
    return this.files({ data } as Sandbox)
      .filter((name) => name.endsWith(suffix))
      .map((name) => name.slice(0, -suffix.length));
  }

  files({ data }: Sandbox): string[] {
    const folder = join(data, "recordings");
    return existsSync(folder) ? readdirSync(folder).sort() : [];
  }

  bytesOf({ data }: Sandbox, session_id: string): Buffer {
    return readFileSync(join(data, "recordings", `${session_id}.rec`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.proxy.stop(true);
    closeSync(this.go);
    this.near[Symbol.dispose]();
    this.far[Symbol.dispose]();
  }
}

/** An answer that says more than it holds. */
const cut = (): Response =>
  new Response(null, { status: 502, headers: { connection: "close" } });
