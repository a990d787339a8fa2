/** `session-buddy drain`: brings what is spooled here to the store. */
import { defineCommand } from "citty";
import { loadSettings, requireValid } from "../config.ts";
import { withStore } from "../open.ts";
import { note } from "../talk.ts";

export default defineCommand({
  meta: {
    name: "drain",
    description: `Brings what this host has recorded to the store.

Every command that reads does that first; wrappers start it for a server on
another host. It says nothing when all went well.

EXAMPLE
  SESSION_BUDDY_MCP_ENDPOINT=https://audit.example:8678/mcp session-buddy drain`,
  },
  args: {
    config: {
      type: "string",
      valueHint: "file",
      description: "Read this configuration too",
    },
  },
  async run({ args }) {
    const settings = loadSettings(process.env, args.config);
    await requireValid(settings);
    // A store is drained as it is opened; asking makes a server drain too.
    await withStore(settings, note, (store) =>
      store.get("none-00000000-000000-00000000"),
    );
  },
});
