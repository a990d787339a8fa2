/**
 * Serves MCP over standard input and output, for the program that started us. While
 * a server runs, it answers each call; else this process opens the database, and
 * our own commands can ask it too. Standard output carries the protocol alone.
 */
import { dirname } from "node:path";
import { serveStdio as serveSdk } from "@modelcontextprotocol/server/stdio";
import { type Settings, statePaths } from "../config/load.ts";
import { Log } from "../log/log.ts";
import { Failure } from "../model/failure.ts";
import { askableServer, claim } from "../access/claim.ts";
import { ensurePrivateDir } from "../os/paths.ts";
import { ToolClient } from "../store/remote/client.ts";
import { type Holder, StoreLock } from "../store/lock.ts";
import { VERSION } from "../version.ts";
import { Auth } from "../auth/verify.ts";
import type { Caller } from "./tools/tool.ts";
import { begin, serveLocally } from "./run.ts";
import { LineTransport } from "./mcp/line-transport.ts";
import { callsOf, makeMcpServer } from "./mcp/server.ts";
import type { ToolBackend } from "./tools/tools.ts";

/** How often the parent is looked at. */
const PARENT_MS = 1_000;
/** How long the database may be busy with a command, or a server starting. */
const WAIT_MS = 10_000;

/**
 * Serves until standard input ends, or we are told to stop.
 * @returns the exit status
 */
export async function serveStdio(
  settings: Settings,
  readOnly: boolean,
): Promise<number> {
  const { told, stop } = begin();
  ensurePrivateDir(settings.paths.data!);
  ensurePrivateDir(dirname(statePaths(settings).socket));
  const nearest = new NearestTools(settings, readOnly, stop);
  const transport = new LineTransport();
  const caller: Caller = {
    via: "stdio",
    uid: process.geteuid!(),
    address: null,
    loopback: true,
    token: null,
    request_id: `stdio-${process.pid}`,
  };
  const call = callsOf(nearest, caller);
  const handle = serveSdk(
    () => makeMcpServer(call, { readOnly, version: VERSION }),
    { transport },
  );
  await Promise.race([transport.done, parentGone(), told]);
  await handle.close();
  await nearest.close();
  return 0;
}

/**
 * Resolves when the program that started us has ended. Its end need not close
 * our input, which other programs of its may hold open; and nobody is left then
 * who would read the answers.
 */
function parentGone(): Promise<void> {
  const parent = process.ppid;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    resolve();
  }, PARENT_MS);
  return promise;
}

/** The tools of the server that runs, or else our own. */
class NearestTools implements ToolBackend {
  private client: ToolClient | null = null;
  private own: { backend: ToolBackend; close(): Promise<void> } | null = null;
  private search: Promise<void> | null = null;

  constructor(
    private readonly settings: Settings,
    private readonly readOnly: boolean,
    private readonly stop: (why: string) => void,
  ) {}

  async call(
    tool: string,
    args: Record<string, unknown>,
    caller: Caller,
  ): Promise<object> {
    for (let again = true; ; again = false) {
      await (this.search ??= this.find());
      if (this.own) return this.own.backend.call(tool, args, caller);
      try {
        const { timeout_seconds = 0 } = args as { timeout_seconds?: number };
        return await this.client!.call(tool, args, timeout_seconds * 1_000);
      } catch (error) {
        const gone = error instanceof Failure && error.code === "unreachable";
        if (!gone || !again) throw error;
        // Its server ended: there may be another, or none.
        this.search = null;
      }
    }
  }

  async close(): Promise<void> {
    await this.own?.close();
  }

  /** @throws Failure (timeout) when the database stays busy */
  private async find(): Promise<void> {
    const here = await claim(this.settings, {
      role: "stdio",
      holder_ms: WAIT_MS,
      total_ms: WAIT_MS,
      server: askableServer,
    }).catch((error) => {
      this.search = null;
      throw error;
    });
    if (here instanceof StoreLock) return this.become(here);
    this.client = new ToolClient(here);
  }

  /** Owns the database from here on, and lets our own commands ask. */
  private async become(lock: StoreLock): Promise<void> {
    const { settings, readOnly, stop } = this;
    const { socket } = statePaths(settings);
    const { serving, close } = await serveLocally(lock, {
      ...{ settings, readOnly, stop, log: Log.open(settings) },
      auth: Auth.fromSettings(settings, process.env),
    });
    const { pid } = process;
    const holder: Holder = { pid, role: "stdio", version: VERSION };
    const started_at = new Date().toISOString();
    lock.sign({ ...holder, socket, state: "ready", started_at });
    this.own = {
      backend: serving.tools,
      close: async () => {
        lock.sign({ ...holder, state: "stopping" });
        await close();
      },
    };
  }
}
