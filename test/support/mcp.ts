/**
 * The tools on a real store in a folder of their own, behind a real HTTP
 * listener on loopback. Who asks is as the test says; the edge has its own.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadSettings } from "../../src/config/load.ts";
import { Auth } from "../../src/auth/verify.ts";
import type { Caller } from "../../src/server/tools/tool.ts";
import {
  type ToolBackend,
  type ToolOptions,
  Tools,
} from "../../src/server/tools/tools.ts";
import { McpEndpoint as Endpoint } from "../../src/server/mcp/endpoint.ts";
import type { Message } from "../../src/server/mcp/json-rpc.ts";
import type { ServerOptions } from "../../src/server/mcp/server.ts";
import { answerMcp } from "../../src/server/http/router.ts";
import { Metrics } from "../../src/server/http/metrics.ts";
import { ensureSpool } from "../../src/spool/write.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";

export const LEASE_SECONDS = 120;

export interface HostOptions {
  readOnly?: boolean;
  /** Sets a secret: over TCP a token is needed. */
  secret?: string;
  /** Who asks, where it is not another program of this user. */
  caller?: Partial<Caller>;
}

/** What `tools/call` answered. */
export interface Answer {
  result: Record<string, any>;
  isError: boolean;
  /** `content[0].text`. */
  text: string;
  error: { code: number; message: string } | undefined;
}

/** An endpoint as a server has it: its failures are heard, overload is a status. */
export class McpEndpoint {
  private readonly endpoint: Endpoint;

  constructor(
    { call }: ToolBackend,
    {
      onError,
      ...options
    }: ServerOptions & { onError?: NonNullable<ToolOptions["onError"]> },
  ) {
    const heard: ToolBackend["call"] = async (tool, args, caller) => {
      try {
        return await call(tool, args, caller);
      } catch (error) {
        onError?.(error, tool, caller);
        throw error;
      }
    };
    this.endpoint = new Endpoint({ call: heard }, options);
  }

  handle(request: Request, message: Message, caller: Caller) {
    return answerMcp(this.endpoint, request, message, caller);
  }
}

export class ToolHost implements AsyncDisposable {
  /** Every failure that only the log hears of. */
  readonly errors: unknown[] = [];
  readonly metrics = new Metrics();
  private listener!: Bun.Server<undefined>;
  private endpoint!: Endpoint;
  tools!: Tools;
  store!: DuckDBStore;

  private constructor(
    readonly folder: string,
    private readonly options: HostOptions,
  ) {}

  static async start(options: HostOptions = {}): Promise<ToolHost> {
    const folder = mkdtempSync(join(tmpdir(), "sb-tools-"));
    const host = new ToolHost(folder, options);
    await host.begin();
    host.listener = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => host.answer(request),
    });
    return host;
  }

  get url(): string {
    return `http://127.0.0.1:${this.listener.port}/mcp`;
  }

  get spool(): string {
    return ensureSpool(this.folder);
  }

  /** Another process on the same database, as after a stop and a start. */
  async restart(): Promise<void> {
    await this.store.close();
    await this.begin();
  }

  private async begin(): Promise<void> {
    const { secret, readOnly = false } = this.options;
    const env = {
      HOME: this.folder,
      ...(secret !== undefined && { SESSION_BUDDY_SECRET: secret }),
    };
    const onError = (error: unknown) => void this.errors.push(error);
    this.store = await DuckDBStore.open(join(this.folder, "sessions.duckdb"));
    const auth = Auth.fromSettings(loadSettings(env), env);
    const uid = process.geteuid!();
    this.tools = new Tools(this.store, {
      auth: {
        verify: (token) => auth.verify(token),
        // Strangers are the edge's; here whoever asks is as the test says.
        authorize: (peer, token, access) =>
          auth.authorize({ ...peer, uid }, token, access),
      },
      spool: this.spool,
      lease_seconds: LEASE_SECONDS,
      health: () => ({ healthy: true, checks: { database: "ok" } }),
      alerts: async () => [],
      metrics: this.metrics,
      onError,
    });
    const options = { readOnly, version: "0.0.0" };
    this.endpoint = new Endpoint(this.tools, options);
  }

  get caller(): Caller {
    return {
      via: "tcp",
      uid: process.geteuid!(),
      address: "127.0.0.1",
      loopback: true,
      token: null,
      request_id: "test",
      ...this.options.caller,
    };
  }

  private async answer(request: Request): Promise<Response> {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const message = (await request.json()) as Record<string, unknown>;
    return answerMcp(this.endpoint, request, message, this.caller);
  }

  /** A bare POST, as curl sends it. */
  async post(
    message: object,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return fetch(this.url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(message),
    });
  }

  async call(tool: string, args: object = {}): Promise<Answer> {
    const response = await this.post({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: tool, arguments: args },
    });
    const { result, error } = (await response.json()) as {
      result?: {
        structuredContent?: Record<string, unknown>;
        isError?: boolean;
        content: { text: string }[];
      };
      error?: Answer["error"];
    };
    return {
      result: result?.structuredContent ?? {},
      isError: result?.isError ?? false,
      text: result?.content[0]?.text ?? "",
      error,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endpoint.close();
    await this.listener.stop(true);
    await this.store.close();
    rmSync(this.folder, { recursive: true });
  }
}

/** The start of a session as the Python shells send it. */
export const shellStart = (changes: object = {}) => ({
  event_version: "1.0",
  event_id: "550e8400-e29b-41d4-a716-446655440000",
  event_type: "session_start",
  component_name: "mahavishnu",
  shell_type: "MahavishnuShell",
  timestamp: "2026-02-06T12:34:56.789Z",
  pid: 12345,
  user: { username: "john", home: "/home/john" },
  hostname: "server01",
  environment: {
    python_version: "3.13.0",
    platform: "Linux-6.5.0-x86_64",
    cwd: "/home/john/projects/mahavishnu",
  },
  metadata: { adapters: ["prefect"] },
  ...changes,
});

export const SHELL_ID = "mahavishnu-20260206-123456-550e8400";

export const shellEnd = (changes: object = {}) => ({
  session_id: SHELL_ID,
  timestamp: "2026-02-06T13:04:56.789Z",
  event_type: "session_end",
  metadata: {},
  ...changes,
});
