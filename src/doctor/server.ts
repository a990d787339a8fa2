/** Checks the server that runs here, and the one on another host. */
import type { Settings } from "../config/load.ts";
import { fail } from "../model/failure.ts";
import { lockPath, runningServer } from "../access/claim.ts";
import { portHolder } from "../os/use.ts";
import { checkEndpoint, clientToken } from "../auth/token.ts";
import { ToolClient, askHealth } from "../store/remote/client.ts";
import { VERSION } from "../version.ts";
import type { Check } from "./check.ts";

export function serverChecks(settings: Settings): Check[] {
  const { endpoint } = settings.config.server;
  const holder = runningServer(lockPath(settings));
  return [
    {
      name: "server_running",
      look: () =>
        holder
          ? `${holder.url ?? "over stdio"} (pid ${holder.pid})`
          : "none runs; commands open the database themselves",
    },
    ...(holder ? runningChecks(settings) : []),
    // Where sessions go to another host no server is wanted here.
    ...(holder || endpoint !== null ? [] : [portFree(settings)]),
    ...(endpoint === null ? [] : [endpointCheck(settings, endpoint)]),
  ];
}

function runningChecks(settings: Settings): Check[] {
  return [
    {
      name: "server_health",
      async look() {
        const { socket, pid } = runningServer(lockPath(settings)) ?? {};
        if (!socket || !pid) return "it is starting or stopping";
        const { status, checks } = await askHealth({ socket, pid });
        const failed = Object.entries(checks).filter(([, s]) => s !== "ok");
        if (status === "ok") return "healthy";
        throw fail.unhealthy(
          `it says that these fail: ${failed.map(([name]) => name).join(", ")}`,
          "see: session-buddy mcp logs",
        );
      },
    },
    {
      name: "server_version",
      look() {
        const version = runningServer(lockPath(settings))?.version ?? VERSION;
        if (version === VERSION) return version;
        throw fail.unhealthy(
          `it is ${version}, this is ${VERSION}`,
          "try: session-buddy mcp restart",
        );
      },
    },
  ];
}

function portFree({ config }: Settings): Check {
  const { port } = config.server;
  return {
    name: "server_port",
    look() {
      if (port === "auto") return "any free one";
      const holder = portHolder(port);
      if (!holder) return `${port} is free`;
      throw fail.port_taken(
        `port ${port} belongs to another program (pid ${holder.pid}, ${holder.command})`,
        "end it, or use another one: SESSION_BUDDY_PORT=auto",
      );
    },
  };
}

function endpointCheck(settings: Settings, url: string): Check {
  return {
    name: "endpoint",
    async look() {
      const token = await clientToken(settings, process.env);
      checkEndpoint(url, token);
      const client = new ToolClient({ url, token });
      await client.call("list_sessions", { limit: 1 });
      return `${url} answers`;
    },
  };
}
