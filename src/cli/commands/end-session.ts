/** `session-buddy end-session`: declares the end of sessions that nobody saw end. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { endSession } from "../../access/end-session.ts";
import { withStore } from "../../access/open.ts";
import { validSettings } from "../../config/load.ts";
import { Failure, fail } from "../../model/failure.ts";
import { note } from "../terminal.ts";

export default defineCommand({
  description: `Declares that a session has ended, where nobody saw its end.

A lost session gets the status ended, at its last sign of life. One that is
active is refused unless --force is given: it ends in the records now, its shell
goes on, and when that is left the end that was seen holds. Nothing is sent to
any process. One that has ended stays as it is.

EXAMPLES
  session-buddy end-session 1a2b3c4d
  session-buddy ls --status lost | cut -f1 | xargs -r session-buddy end-session`,
  args: {
    id: {
      type: "positional",
      multiple: true,
      description:
        "A session's id, a unique prefix of it, its last 8 hex, or its name; several",
    },
    force: { type: "boolean", description: "Also one that is active" },
    config: CONFIG_FLAG,
  },
  async run({ id: ids, force, config }) {
    if (ids.length === 0 || ids.includes(""))
      throw fail.usage(
        ids.length === 0 ? "end-session needs an id" : "an id is empty",
        "try: session-buddy list-sessions --incomplete",
      );
    const settings = await validSettings(process.env, config);
    let status = 0;
    await withStore(settings, note, async (store) => {
      for (const reference of ids)
        try {
          const { session_id, had_ended } = await endSession(
            store,
            reference,
            force,
          );
          note(
            had_ended
              ? `session '${session_id}' had ended already`
              : `session '${session_id}' is declared as ended`,
          );
        } catch (error) {
          // The others are ended nevertheless.
          if (!(error instanceof Failure) || ids.length === 1) throw error;
          note(error.message);
          status ||= error.exitStatus;
        }
    });
    return status;
  },
});
