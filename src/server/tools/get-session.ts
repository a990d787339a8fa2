/** get_session: one session, with its commands and the remarks on it. */
import { z } from "zod";
import { sessionJson } from "../../model/json.ts";
import { remarksOn } from "../../model/remarks.ts";
import type { Command } from "../../model/command.ts";
import type { SessionStore } from "../../model/store.ts";
import { object, page, text } from "./fields.ts";
import { command } from "./list-commands.ts";
import { sessionNamed, session } from "./session-filter.ts";
import { tool } from "./tool.ts";

const MAX_COMMANDS = 1_000;

export const getSession = tool({
  name: "get_session",
  title: "Show one shell session",
  description:
    'Everything about one session, with the commands that ran in it (the newest 1,000, newest last), what people noted on it, and who watched its recording. Use it once list_sessions has given an id. Example: {"session_id":"mahavishnu-20260206-123456-550e8400"}',
  access: "read",
  input: z.strictObject({
    session_id: text.describe(
      "A session's id, a unique beginning of one, its last 8 hex, or its name",
    ),
  }),
  output: z.object({
    ...session,
    commands: z.array(command),
    notes: z.array(object),
    remarks: z.array(object),
    watches: z.array(object),
  }),
  run:
    ({ store }) =>
    async ({ session_id }) => {
      const found = await sessionNamed(store, session_id);
      return {
        ...sessionJson(found),
        commands: await commandsOf(store, found.session_id),
        ...(await remarksOn(store, found)),
      };
    },
});

/** The newest of a session's commands that fit into an answer, newest last. */
async function commandsOf(
  store: SessionStore,
  session_id: string,
): Promise<Command[]> {
  const filter = { session_id, limit: MAX_COMMANDS };
  const { rows } = await page(
    store.commands(filter),
    MAX_COMMANDS,
    (command) => command,
  );
  return rows.reverse();
}
