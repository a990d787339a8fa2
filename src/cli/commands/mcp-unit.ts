/** `session-buddy mcp unit`: prints a systemd unit for the server. */
import { defineCommand } from "../args.ts";
import { readLink } from "../../os/file.ts";
import { systemdUnit } from "../../render/unit.ts";
import { print } from "../terminal.ts";

export default defineCommand({
  description: `Prints a systemd unit that runs the server.

It is a user's unit: sessions, database and server belong to one user.

EXAMPLES
  session-buddy mcp unit > ~/.config/systemd/user/session-buddy.service
  systemctl --user enable --now session-buddy`,
  args: {
    port: {
      type: "string",
      description:
        "Port, or auto for a free one (default: the configuration's)",
    },
  },
  run(args) {
    const executable = readLink("/proc/self/exe") ?? process.execPath;
    const port = args.port === undefined ? [] : ["--port", args.port];
    print(systemdUnit(executable.replace(/ \(deleted\)$/, ""), port));
  },
});
