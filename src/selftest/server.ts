/** A server: it starts, is healthy, answers, and not everybody. */
import { fail } from "../model/failure.ts";
import { Client, request } from "./client.ts";
import type { Findings } from "./findings.ts";
import { type Step, require } from "./step.ts";
import type { World } from "./world.ts";

const READY_MS = 20_000;

export function serverSteps(world: World, { server }: Findings): Step[] {
  return [
    {
      name: "server_running",
      says: "Session-Buddy server running",
      async look() {
        const child = world.start("mcp", "start");
        const said = await readyWords(child.stderr);
        const status = await world.succeed("mcp", "status", "--json");
        const { url, pid } = JSON.parse(status) as { url: string; pid: number };
        require(pid === child.pid, `another server runs there: ${said}`);
        const token = await world.succeed("token", "--ttl", "5m");
        server.set({ url, token: token.trim() });
        return `${url} (pid ${pid})`;
      },
    },
    {
      name: "health_check",
      says: "Health check passes",
      async look() {
        const { origin } = new URL(server.get().url);
        const response = await request(`${origin}/health`);
        const text = await response.text();
        require(response.status === 200, `status ${response.status}: ${text}`);
        return (JSON.parse(text) as { status: string }).status;
      },
    },
    {
      name: "list_sessions",
      says: "Can list sessions",
      async look() {
        server.get();
        const text = await world.succeed("list-sessions", "--format", "json");
        require(Array.isArray(JSON.parse(text)), `no list: ${text}`);
        return "the command asks the server";
      },
    },
    {
      name: "token_required",
      says: "Nobody is served without a token",
      async look() {
        const { url, token } = server.get();
        const ping = { jsonrpc: "2.0", id: 1, method: "tools/call" };
        const params = { name: "list_sessions", arguments: {} };
        const { status } = await new Client(url, token).post(
          { ...ping, params },
          null,
        );
        require(status === 401, `the answer has status ${status}, not 401`);
        return "401 Unauthorized";
      },
    },
  ];
}

/**
 * What the server says until it is ready.
 * @throws Failure (unhealthy) with that, when it does not start
 */
async function readyWords(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const late = Bun.sleep(READY_MS).then(() => null);
  let said = "";
  for (;;) {
    const next = await Promise.race([reader.read(), late]);
    if (next?.value) said += decoder.decode(next.value, { stream: true });
    if (/ready \(pid \d+\)/.test(said)) {
      // What it says later has to go somewhere.
      void (async () => {
        while (!(await reader.read()).done);
      })();
      return said.trim();
    }
    if (next === null || next.done)
      throw fail.unhealthy(
        `the server does not start: ${said.trim() || "it said nothing"}`,
        "try: session-buddy mcp start",
      );
  }
}
