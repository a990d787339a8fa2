/** `session-buddy mcp start`: starts the server, in the foreground or detached. */
import { defineCommand, CONFIG_FLAG, READ_ONLY_FLAG } from "../args.ts";
import { validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { startAnewAsServer } from "../../server/anew.ts";
import { note, personConsole, printResult } from "../terminal.ts";

export default defineCommand({
  description: `Serves MCP, and owns the database while it lives.

Runs in the foreground; \`> log 2>&1 &\` and --detach put it behind. Clients find
it at http://HOST:PORT/mcp; the other commands find it by themselves.
Exit status 3 when a server runs already, 1 when another program has the port,
5 for a configuration that is refused (a weak secret, an open address without
one).

EXAMPLES
  session-buddy mcp start
  session-buddy mcp start --detach --port auto
  session-buddy mcp start --transport stdio`,
  args: {
    host: {
      type: "string",
      description: "Address to listen on (default: 127.0.0.1)",
    },
    port: {
      type: "string",
      description: "Port, or auto for a free one (default: 8678)",
    },
    transport: {
      type: "string",
      values: ["http", "stdio"],
      description: "http (default) or stdio",
    },
    "read-only": READ_ONLY_FLAG,
    dashboard: {
      type: "boolean",
      description: "Serve the page to look at (see: session-buddy dashboard)",
    },
    detach: { type: "boolean", description: "Leave it running behind" },
    json: { type: "boolean", description: "With --detach: say where as JSON" },
    config: CONFIG_FLAG,
  },
  async run(args) {
    const transport = transportOf(args);
    if (!args.detach) startAnewAsServer();
    const settings = await validSettings(process.env, args.config);
    const { host, port, config } = args;
    const readOnly = args["read-only"];
    if (host !== undefined) settings.config.server.host = host;
    if (port !== undefined) settings.config.server.port = parsePort(port);
    const flags = Object.entries({ host, port, config }).flatMap(
      ([name, value]) => (value === undefined ? [] : [`--${name}`, value]),
    );
    if (readOnly) flags.push("--read-only");
    if (args.dashboard) {
      settings.config.server.dashboard = true;
      flags.push("--dashboard");
    }
    if (transport === "stdio") {
      const { serveStdio } = await import("../../server/stdio.ts");
      return serveStdio(settings, readOnly);
    }
    if (args.detach) {
      const { startDetached } = await import("../../server/daemon.ts");
      const { pid, url } = await startDetached(settings, flags);
      const facts = { running: true, pid, url };
      return printResult(args.json, facts, `serving: ${url} (pid ${pid})\n`);
    }
    const { serveHere } = await import("../../server/run.ts");
    const person = await personConsole(true);
    return serveHere(settings, { readOnly, flags }, person?.info ?? note);
  },
});

function transportOf({
  transport = "http",
  detach,
}: {
  transport?: string | undefined;
  detach: boolean;
}): "http" | "stdio" {
  if (transport !== "http" && transport !== "stdio")
    throw fail.usage(
      `--transport takes http or stdio, not '${transport}'`,
      "try: --transport stdio",
    );
  if (transport === "stdio" && detach)
    throw fail.usage(
      "a server over stdio cannot be detached",
      "its client starts it and ends it; leave out --detach",
    );
  return transport;
}

function parsePort(text: string): number | "auto" {
  if (text === "auto") return text;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw fail.usage(
    `--port takes 1 to 65535 or auto, not '${text}'`,
    "try: --port auto",
  );
}
