/** A client over MCP, HTTP and stdio; then the database, with and without the server. */
import { fail } from "../model/failure.ts";
import { Client, unexpected } from "./client.ts";
import type { Findings, Recorded } from "./findings.ts";
import { COMPONENT } from "./shell.ts";
import { Found, type Step, require } from "./step.ts";
import type { World } from "./world.ts";

/** What a shell that is not wrapped sends. */
const startOf = (pid: number) => ({
  ...{ event_version: "1.0", event_id: crypto.randomUUID() },
  ...{ event_type: "session_start", component_name: "selftest" },
  ...{ shell_type: "selftest", timestamp: new Date().toISOString(), pid },
  user: { username: "selftest", home: "/" },
  hostname: "selftest",
  environment: { python_version: "3", platform: "linux", cwd: "/" },
});

const WANTED = ["track_session_start", "track_session_end", "list_sessions"];

export function clientSteps(world: World, { server }: Findings): Step[] {
  const tracked = new Found<string>("client_start");
  const client = () => new Client(server.get().url, server.get().token);
  return [
    {
      name: "client_connects",
      says: "MCP client connects",
      async look() {
        const { protocolVersion, server } = await client().hello();
        return `${server}, revision ${protocolVersion}`;
      },
    },
    {
      name: "client_tools",
      says: "Tools are offered",
      async look() {
        const tools = await client().tools();
        const lacking = WANTED.filter((name) => !tools.includes(name));
        require(lacking.length === 0, `there is no ${lacking.join(", ")}`);
        return `${tools.length}, ${WANTED.join(", ")} among them`;
      },
    },
    {
      name: "client_start",
      says: "track_session_start tracks a session",
      async look() {
        const began = performance.now();
        const args = startOf(process.pid);
        const answer = await client().call("track_session_start", args);
        const took_ms = Math.ceil(performance.now() - began);
        tracked.set(String(answer["session_id"]));
        return `${tracked.get()}, on disk within ${took_ms} ms`;
      },
    },
    {
      name: "client_end",
      says: "track_session_end ends it",
      async look() {
        const session_id = tracked.get();
        const timestamp = new Date().toISOString();
        const args = { session_id, timestamp, event_type: "session_end" };
        const answer = await client().call("track_session_end", args);
        require(answer["status"] === "ended", `it is ${answer["status"]}`);
        const row = await client().call("get_session", { session_id });
        const { status, duration_seconds } = (row["session"] ?? row) as Partial<
          Record<string, unknown>
        >;
        require(status === "ended", `get_session says ${status}`);
        return `ended after ${duration_seconds} s`;
      },
    },
    {
      name: "stdio_client",
      says: "MCP over stdio answers the same",
      async look() {
        const session_id = tracked.get();
        const call = { name: "get_session", arguments: { session_id } };
        const { stdout, stderr } = await world.run(
          ["mcp", "stdio"],
          `${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: call })}\n`,
        );
        if (!stdout.includes(session_id))
          throw unexpected(`it answered: ${stdout}${stderr}`);
        return "get_session";
      },
    },
  ];
}

export function databaseSteps(
  world: World,
  { server, session_id, ended }: Findings,
): Step[] {
  return [
    {
      name: "newest_session",
      says: "The newest session of the component is found",
      async look() {
        const id = session_id.get();
        const words = ["--component", COMPONENT, "--limit", "1"];
        const [cell] = (await world.succeed("list-sessions", ...words)).split(
          "\t",
        );
        require(cell === id, `the first cell is '${cell}', not '${id}'`);
        return id;
      },
    },
    {
      name: "show_session",
      says: "Session details are shown",
      async look() {
        const text = await world.succeed(
          "show-session",
          ended.get().session_id,
        );
        require(/^metadata:\n/m.test(text), "without metadata");
        return `${text.split("\n").length} lines, metadata among them`;
      },
    },
    {
      name: "server_stops",
      says: "Server stops when it is told to",
      async look() {
        server.get();
        return (await world.succeed("mcp", "stop")).trim();
      },
    },
    {
      name: "database_alone",
      says: "The database holds the same without the server",
      async look() {
        const before = ended.get();
        const words = ["show-session", before.session_id, "--format", "json"];
        const after = JSON.parse(await world.succeed(...words)) as Recorded;
        if (!Bun.deepEquals(after, before))
          throw fail.unhealthy(
            `the session has changed: ${JSON.stringify(after)}`,
            "report it with the whole output",
          );
        const list = await world.succeed("list-sessions", "--json");
        return `${(JSON.parse(list) as unknown[]).length} sessions`;
      },
    },
  ];
}
