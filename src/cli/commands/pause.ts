/** `session-buddy pause`: stops the recording of commands in this session. */
import { defineCommand } from "../args.ts";
import { hookedSession } from "../../record/hooks/hooks.ts";
import { pause } from "../../record/hooks/pause.ts";
import { folderFailure } from "../../os/paths.ts";
import { note } from "../terminal.ts";

export default defineCommand({
  description: `Stops the recording of commands, in the session that it is called in.

All shells of the session leave their commands out from the next one on, until
session-buddy resume. Nothing of what runs meanwhile is written, not even that
it ran; the session itself goes on.

EXAMPLE
  session-buddy pause`,
  args: {},
  run() {
    const { spool, session_id } = hookedSession(process.env);
    try {
      pause(spool, session_id);
    } catch (error) {
      throw folderFailure(spool, error);
    }
    note("commands are not recorded until session-buddy resume");
  },
});
