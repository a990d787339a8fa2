/** `session-buddy drain`: brings what is spooled here to the store. */
import { defineCommand } from "citty";
import { CONFIG_FLAG } from "../args.ts";
import { type Settings, validSettings } from "../config.ts";
import { withStore } from "../open.ts";
import { Courier } from "../spool/delivery.ts";
import { spoolFolder } from "../spool/write.ts";
import { note } from "../talk.ts";

export default defineCommand({
  meta: {
    name: "drain",
    description: `Brings what this host has recorded to the store.

Every command that reads does that first; wrappers start it for a server on
another host. It says nothing when all went well. With --auto it tries for a while,
but leaves a server alone that did not answer lately.

EXAMPLE
  SESSION_BUDDY_MCP_ENDPOINT=https://audit.example:8678/mcp session-buddy drain`,
  },
  args: {
    auto: {
      type: "boolean",
      description: "As wrappers start it: nobody asked, nobody waits",
    },
    config: CONFIG_FLAG,
  },
  async run({ args }) {
    const settings = await validSettings(process.env, args.config);
    const folder = spoolFolder(settings.paths.data!);
    await deliver(settings, new Courier(folder, args.auto === true));
  },
});

/** Until it is done, or the courier sees no sense in going on. */
async function deliver(settings: Settings, courier: Courier): Promise<void> {
  for (;;)
    try {
      // A store is drained as it is opened; asking makes a server drain too.
      await withStore(
        settings,
        note,
        (store) => store.get("none-00000000-000000-00000000"),
        courier,
      );
      return;
    } catch (error) {
      const pause_ms = courier.pause_ms();
      if (pause_ms === null) throw error;
      await Bun.sleep(pause_ms);
    }
}
