/** `session-buddy dashboard`: lets a browser look at what was recorded. */
import { defineCommand, CONFIG_FLAG, JSON_FLAG } from "../args.ts";
import { withReadable } from "../../access/open.ts";
import { askableServer, lockPath, runningServer } from "../../access/claim.ts";
import { statePaths, validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { findSession, noSession } from "../../model/reference.ts";
import { pageAddress } from "../../os/address.ts";
import { RemoteMaintenance } from "../../store/remote/maintenance.ts";
import { ensurePrivateDir } from "../../os/paths.ts";
import { isTerminal } from "../../os/proc.ts";
import { openInBrowser } from "../browser.ts";
import { note, printResult } from "../terminal.ts";

export default defineCommand({
  description: `Prints the address of a page that shows what was recorded, and opens it.

The server that runs serves it: who is in now, a timeline, sessions with their
commands, search, charts, alerts. The address lets one browser in, once, within
a minute; that page may read for 4 hours, and mark sessions as reviewed. From
another host bring the port over: ssh -L 8678:127.0.0.1:8678 HOST. A browser is
opened at a terminal of a desktop.
Exit status 2 when no server runs.

EXAMPLES
  session-buddy dashboard
  session-buddy dashboard 1a2b3c4d
  session-buddy dashboard --no-open`,
  args: {
    id: {
      type: "positional",
      description:
        "Begin at this session: its id, a unique prefix of it, its last 8 hex, or its name",
    },
    "no-open": { type: "boolean", description: "Open no browser" },
    json: JSON_FLAG,
    config: CONFIG_FLAG,
  },
  async run({ id, json, config, ...args }) {
    const settings = await validSettings(process.env, config);
    const { endpoint } = settings.config.server;
    if (endpoint !== null)
      throw fail.refused(
        `the sessions are with the server at ${endpoint}`,
        "on its host: session-buddy dashboard",
      );
    const path = lockPath(settings);
    const url = runningServer(path)?.url;
    const server = askableServer(path);
    if (!server)
      throw fail.unreachable(
        "no server runs that could show a page",
        "start one: session-buddy mcp start --detach",
      );
    if (url === undefined)
      throw fail.refused(
        "the server that runs is the one of an MCP client, over stdio, and has no page",
        "end that client, then: session-buddy mcp start --detach",
      );
    const session_id =
      id === undefined
        ? null
        : await withReadable(settings, note, async (store) => {
            const found = await findSession(store, id);
            if (found) return found.session_id;
            throw noSession(id, "try: session-buddy list-sessions");
          });
    const code = await new RemoteMaintenance(server).invite();
    const to =
      session_id === null
        ? ""
        : `&to=${encodeURIComponent(`/session?id=${encodeURIComponent(session_id)}`)}`;
    const address = `${pageAddress(url)}#k=${code}${to}`;
    printResult(json, { url: address }, `${address}\n`);
    if (json || args["no-open"] || !isTerminal(1) || !hasDesktop()) return;
    const { folder } = statePaths(settings);
    ensurePrivateDir(folder);
    if (!openInBrowser(address, folder))
      note("no browser could be opened: there is no xdg-open");
  },
});

const hasDesktop = () =>
  Boolean(process.env["DISPLAY"] || process.env["WAYLAND_DISPLAY"]);
