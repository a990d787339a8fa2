/** `session-buddy resume`: goes on with the recording of commands. */
import { defineCommand } from "../args.ts";
import { hookedSession } from "../../record/hooks/hooks.ts";
import { removePause } from "../../record/hooks/pause.ts";
import { note } from "../terminal.ts";

export default defineCommand({
  description: `Goes on with the recording of commands after session-buddy pause.

EXAMPLE
  session-buddy resume`,
  args: {},
  run() {
    const { spool, session_id } = hookedSession(process.env);
    const paused = removePause(spool, session_id);
    note(
      paused
        ? "commands are recorded again"
        : "commands were not paused: they are recorded",
    );
  },
});
