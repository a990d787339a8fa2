/**
 * The MCP server: the same tools whatever the transport, and whoever does the
 * work behind them (a store in this process, or a server that already runs).
 * A new one is made for every request, so nothing here is built twice.
 */
import {
  McpServer,
  type CallToolResult,
  ResourceNotFoundError,
  ResourceTemplate,
  UriTemplate,
} from "@modelcontextprotocol/server";
import { Failure } from "../../model/failure.ts";
import type { Caller } from "../tools/caller.ts";
import { CATALOG, hintsOf } from "../tools/catalog.ts";
import type { ToolName } from "../tools/fields.ts";
import { SCHEMAS } from "./schema.ts";

/** Where the tools' work is done. */
export interface ToolBackend {
  /**
   * @param args as the tool's schema left them
   * @returns the result object of the tool's output schema
   * @throws Failure for what the caller can mend; any other error is internal
   */
  call(
    tool: string,
    args: Record<string, unknown>,
    caller: Caller,
  ): Promise<object>;
}

export interface ServerOptions {
  /** Leaves out the tools that record. */
  readOnly: boolean;
  version: string;
  /** Hears of every call that failed, also of those that the caller can mend. */
  onError?: (error: unknown, tool: string, caller: Caller) => void;
}

const INSTRUCTIONS =
  "Session-Buddy records admin shells. Find sessions with list_sessions, look into one with get_session, sum up with session_stats. Shells report themselves with track_session_start and track_session_end.";

const NAMES = Object.keys(CATALOG) as ToolName[];

const TOOLS = NAMES.map((name) => ({
  name,
  tracks: CATALOG[name].tracks,
  config: {
    title: CATALOG[name].title,
    description: CATALOG[name].description,
    inputSchema: SCHEMAS[name].input,
    outputSchema: SCHEMAS[name].output,
    annotations: hintsOf(CATALOG[name]),
  },
}));

const SESSION_URI = new UriTemplate("session://{session_id}");
const MAX_COMPLETIONS = 100;

/** The lists change with a new version of the program alone. */
const FIXED = { listChanged: false };

/**
 * A server for one caller.
 * @param backend where its tools' work is done
 */
export function makeMcpServer(
  backend: ToolBackend,
  options: ServerOptions,
  caller: Caller,
): McpServer {
  const server = new McpServer(
    { name: "session-buddy", title: "Session-Buddy", version: options.version },
    {
      capabilities: { tools: FIXED, resources: FIXED, prompts: FIXED },
      instructions: INSTRUCTIONS,
    },
  );
  const call = callsOf(backend, options, caller);
  for (const { name, tracks, config } of TOOLS) {
    if (tracks && options.readOnly) continue;
    server.registerTool(name, config, (args: unknown) =>
      resultOf(call, name, args as object),
    );
  }
  const template = new ResourceTemplate(SESSION_URI, {
    // Whoever may list resources need not be allowed to see sessions.
    list: undefined,
    complete: { session_id: (value) => complete(call, value) },
  });
  server.registerResource(
    "session",
    template,
    SESSION_RESOURCE,
    (uri, { session_id }) => readSession(call, uri, String(session_id)),
  );
  return server;
}

/** Calls a tool with arguments that are checked, and throws Failures alone. */
export type Call = (tool: ToolName, args: object) => Promise<object>;

export function callsOf(
  backend: ToolBackend,
  { onError }: Pick<ServerOptions, "onError">,
  caller: Caller,
): Call {
  return async (tool, args) => {
    try {
      return await backend.call(tool, args as Record<string, unknown>, caller);
    } catch (error) {
      onError?.(error, tool, caller);
      throw error instanceof Failure ? error : internal(caller);
    }
  };
}

/** What a call gives, be it that something went wrong. */
export async function resultOf(
  call: Call,
  tool: ToolName,
  args: object,
): Promise<CallToolResult> {
  try {
    return succeeded(await call(tool, args));
  } catch (error) {
    const { message } = error as Failure;
    return { isError: true, content: [{ type: "text", text: message }] };
  }
}

function succeeded(result: object): CallToolResult {
  return {
    structuredContent: result as Record<string, unknown>,
    content: [{ type: "text", text: JSON.stringify(result) }],
  };
}

/** What went wrong within is for the log alone. */
const internal = ({ request_id }: Caller) =>
  new Failure(
    "storage",
    "internal error",
    `the server's log has it under request ${request_id}`,
  );

const SESSION_RESOURCE = {
  title: "Shell session",
  description:
    "One recorded session with its commands, as get_session gives it",
  mimeType: "application/json",
};

async function readSession(call: Call, uri: URL, session_id: string) {
  const session = await call("get_session", { session_id }).catch(
    (error: unknown) => {
      if (error instanceof Failure && MISSING.has(error.code)) return null;
      throw error;
    },
  );
  // An address is whole: the beginning of an id is none.
  if (!session || (session as { session_id: string }).session_id !== session_id)
    throw new ResourceNotFoundError(uri.href);
  const text = JSON.stringify(session);
  return {
    contents: [{ uri: uri.href, mimeType: SESSION_RESOURCE.mimeType, text }],
  };
}

/** Of a server that we ask, every answer of the kind is `refused`. */
const MISSING: ReadonlySet<string> = new Set([
  "not_found",
  "ambiguous",
  "refused",
]);

async function complete(call: Call, reference: string): Promise<string[]> {
  const found = (await call("list_sessions", {
    ...(reference && { reference }),
    limit: MAX_COMPLETIONS,
  })) as { sessions: { session_id: string }[] };
  return found.sessions.map(({ session_id }) => session_id);
}
