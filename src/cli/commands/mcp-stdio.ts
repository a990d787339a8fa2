/** `session-buddy mcp stdio`: serves MCP to the program that started it. */
import { defineCommand, CONFIG_FLAG, READ_ONLY_FLAG } from "../args.ts";
import { validSettings } from "../../config/load.ts";
import { startAnewAsServer } from "../../server/anew.ts";

export default defineCommand({
  description: `Serves MCP on stdin and stdout, to the client that starts it.

The same as: mcp start --transport stdio. When a server runs, it is asked;
the database is opened here only when none does.

EXAMPLE
  session-buddy mcp stdio`,
  args: {
    "read-only": READ_ONLY_FLAG,
    config: CONFIG_FLAG,
  },
  async run(args) {
    startAnewAsServer();
    const settings = await validSettings(process.env, args.config);
    const { serveStdio } = await import("../../server/stdio.ts");
    return serveStdio(settings, args["read-only"]);
  },
});
