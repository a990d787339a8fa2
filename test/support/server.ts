/**
 * A real server for one test: the compiled executable on a free loopback port,
 * with the sandbox's home. It ends with the test.
 */
import { expect } from "bun:test";
import { BINARY, type Sandbox } from "./sandbox.ts";

export interface ServerOptions {
  flags?: string[];
  env?: Record<string, string | undefined>;
  /** What it is started by: a program, and its arguments before ours. */
  under?: string[];
}

/** What `tools/call` answered. */
export interface ToolAnswer {
  status: number;
  /** `structuredContent`, when there is one. */
  result: Record<string, unknown>;
  isError: boolean;
  /** The JSON-RPC error, when that is the answer. */
  error: { code: number; message: string } | undefined;
  text: string;
}

export class TestServer implements AsyncDisposable {
  private constructor(
    readonly sandbox: Sandbox,
    readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">,
    /** `http://127.0.0.1:PORT/mcp`. */
    readonly url: string,
    readonly said: string,
  ) {}

  /** Starts it and waits until it says that it is ready. */
  static async start(
    sandbox: Sandbox,
    { flags = [], env = {}, under = [] }: ServerOptions = {},
  ): Promise<TestServer> {
    const port = flags.includes("--port") ? [] : ["--port", "auto"];
    const argv = [...under, BINARY, "mcp", "start", ...port, ...flags];
    const child = Bun.spawn(argv, {
      env: sandbox.envWith(env),
      cwd: sandbox.home,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const said = await readUntil(child.stderr, /ready \(pid \d+\)\n/);
    const url = /https?:\/\/\S+/.exec(said)?.[0];
    if (!url) throw new Error(`the server did not start: ${said}`);
    return new TestServer(sandbox, child, url, said);
  }

  get origin(): string {
    return new URL(this.url).origin;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** A POST of one JSON-RPC message, as curl would send it. */
  post(
    message: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return fetch(this.url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof message === "string" ? message : JSON.stringify(message),
    });
  }

  /** One tool call by a bare POST. */
  async call(
    tool: string,
    args: object = {},
    headers: Record<string, string> = {},
  ): Promise<ToolAnswer> {
    const params = { name: tool, arguments: args };
    const response = await this.post(
      { jsonrpc: "2.0", id: 1, method: "tools/call", params },
      headers,
    );
    const text = await response.text();
    const body = JSON.parse(text) as {
      result?: {
        structuredContent?: Record<string, unknown>;
        isError?: boolean;
        content?: { text: string }[];
      };
      error?: { code: number; message: string };
    };
    return {
      status: response.status,
      result: body.result?.structuredContent ?? {},
      isError: body.result?.isError === true,
      error: body.error,
      text: body.result?.content?.[0]?.text ?? text,
    };
  }

  /** Tells it to stop and waits for its end. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    this.child.kill(signal);
    await this.child.exited;
    return this.child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null)
      await this.stop("SIGKILL");
  }
}

/** Reads a stream until a text appears in it, or it ends. */
export async function readUntil(
  stream: ReadableStream<Uint8Array>,
  wanted: RegExp,
): Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (!wanted.test(text)) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += decoder.decode(value, { stream: true });
  }
  // What comes later is read too: a full pipe would stop the writer.
  void (async () => {
    while (!(await reader.read()).done);
  })();
  return text;
}

/** Ends whatever server of a sandbox runs, started by whomever. */
export async function endServer(sandbox: Sandbox): Promise<void> {
  const { exitCode, stderr } = await sandbox.run(["mcp", "stop", "--force"]);
  expect([0, 2], stderr).toContain(exitCode!);
}

/** The arguments of a start as the Python shells send it. */
export function startArguments(
  changes: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    event_version: "1.0",
    event_id: crypto.randomUUID(),
    event_type: "session_start",
    component_name: "mahavishnu",
    shell_type: "IPythonShell",
    timestamp: "2026-02-06T12:34:56.789Z",
    pid: 4_194_000,
    hostname: "ops-1",
    user: { username: "les", home: "/home/les" },
    environment: {
      python_version: "3.13.1",
      platform: "Linux-6.1",
      cwd: "/srv/app",
    },
    metadata: { version: "0.9.1", adapters: ["prefect", "agno"] },
    ...changes,
  };
}
