/** `session-buddy mcp stdio`: MCP for the program that started it. */
import { defineCommand } from "citty";
import { CONFIG_FLAG } from "../args.ts";
import { validSettings } from "../../config/load.ts";

export default defineCommand({
  meta: {
    name: "mcp stdio",
    description: `Serves MCP on standard input and output, for the client that starts it.

The same as: mcp start --transport stdio. When a server runs, it is asked;
the database is opened here only when none does.

EXAMPLE
  session-buddy mcp stdio`,
  },
  args: {
    "read-only": {
      type: "boolean",
      description: "Offer no tools that record anything",
    },
    config: CONFIG_FLAG,
  },
  async run({ args }) {
    const settings = await validSettings(process.env, args.config);
    const { serveStdio } = await import("../../server/stdio.ts");
    return serveStdio(settings, args["read-only"] === true);
  },
});
