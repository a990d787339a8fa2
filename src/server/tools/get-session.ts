/** get_session: one session, with its commands and the remarks on it. */
import { z } from "zod";
import { sessionJson } from "../../model/json.ts";
import { remarksOn } from "../../model/remarks.ts";
import type { SessionStore } from "../../model/store.ts";
import { object, text, MAX_PAGE_CHARS } from "./fields.ts";
import { sessionNamed, session } from "./session-filter.ts";
import { tool } from "./tool.ts";

const MAX_COMMANDS = 1_000;

export const getSession = tool({
  name: "get_session",
  title: "Show one shell session",
  description:
    'Everything about one session, with the commands that ran in it (the newest 1,000, newest last). Use it once list_sessions has given an id. Example: {"session_id":"mahavishnu-20260206-123456-550e8400"}',
  access: "read",
  input: z.strictObject({
    session_id: text.describe(
      "A session's id, a unique beginning of one, its last 8 hex, or its name",
    ),
  }),
  output: z.object({
    ...session,
    commands: z.array(object),
    remarks: z.array(object),
  }),
  run:
    ({ store }) =>
    async ({ session_id }) => {
      const found = await sessionNamed(store, session_id);
      return {
        ...sessionJson(found),
        commands: await commandsOf(store, found.session_id),
        remarks: await remarksOn(store, found),
      };
    },
});

/** The newest of a session's commands, newest last. */
async function commandsOf(
  store: SessionStore,
  session_id: string,
): Promise<object[]> {
  const kinds = ["command_start", "command_end"];
  const kept: { event: object; chars: number }[] = [];
  let chars = 0;
  for await (const { event } of store.events({ session_id, kinds })) {
    const length = JSON.stringify(event).length;
    kept.push({ event, chars: length });
    chars += length;
    while (kept.length > MAX_COMMANDS || chars > MAX_PAGE_CHARS)
      chars -= kept.shift()!.chars;
  }
  return kept.map(({ event }) => event);
}
