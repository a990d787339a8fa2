/** list_commands: the commands that ran in sessions, newest first, a page at a time. */
import { z } from "zod";
import { type CommandFilter, commandJson } from "../../model/command.ts";
import { commandCursor, readCommandCursor } from "../../model/cursor.ts";
import {
  DEFAULT_ROWS,
  count,
  cursor,
  flag,
  integer,
  limit,
  orNull,
  page,
  text,
} from "./fields.ts";
import { commandTimesOf, sessionNamed, when } from "./session-filter.ts";
import { tool } from "./tool.ts";

const int = z.int().nullable();

/** A command as tools give it. */
export const command = z.object({
  session_id: text,
  username: orNull,
  hostname: orNull,
  event_seq: count,
  seq: int,
  pid: int,
  depth: int,
  text: orNull,
  text_base64: text.optional(),
  truncated_bytes: count.optional(),
  start_time: text,
  end_time: orNull,
  duration_seconds: z.number().nullable(),
  exit_code: int,
  pipe_status: z.array(z.int()).nullable(),
  cwd: orNull,
  mark: orNull,
});

export const listCommands = tool({
  name: "list_commands",
  title: "List commands",
  description:
    'The commands that were typed in recorded shells, newest first: text, folder, exit status, duration. Use it to find where something was done, or what failed and when; get_session then shows what was around it; ask for the next page with next_cursor. text is null where the shell kept it to itself (mark: private) or it was withheld or removed; secrets in it were redacted before it was stored. Example: {"text":"terraform apply","after":"-30d"}, or for what failed last night {"failed":true,"during":"yesterday 18:00..08:00"}',
  access: "read",
  input: z.strictObject({
    session_id: text
      .optional()
      .describe(
        "Of this session alone: its id, a unique beginning of one, its last 8 hex, or its name",
      ),
    text: text
      .optional()
      .describe("With this text in it, upper and lower case alike"),
    exit: integer.optional().describe("Ended with this exit status"),
    failed: flag
      .optional()
      .describe("Only with another exit status than 0, each command's own"),
    cwd: text.optional().describe("Begun in this folder, or in one below it"),
    user: text.optional().describe("In sessions of this user"),
    host: text.optional().describe("In sessions on this host"),
    component: text.optional().describe("In sessions of this component"),
    after: when("Began at or after"),
    before: when("Began before"),
    at: when("What ran at this moment: begun by then, and not ended before it"),
    during: text
      .optional()
      .describe(
        "What ran at some moment from A on and before B, or without one of them: A..B, A.., ..B",
      ),
    limit: limit.describe("Commands at most, 1 to 10000; 50 when left out"),
    cursor,
  }),
  output: z.object({
    commands: z.array(command),
    count,
    next_cursor: orNull,
  }),
  run:
    ({ store }) =>
    async (args, { received_ms }) => {
      const { session_id, text, exit, failed, cwd, cursor } = args;
      const { user, host, component } = args;
      const { limit = DEFAULT_ROWS } = args;
      const filter: CommandFilter = {
        ...commandTimesOf(args, received_ms),
        ...(text !== undefined && { text }),
        ...(exit !== undefined && { exit_code: exit }),
        ...(failed && { failed }),
        ...(cwd !== undefined && { cwd }),
        ...(user !== undefined && { user }),
        ...(host !== undefined && { host }),
        ...(component !== undefined && { component }),
        ...(cursor !== undefined && { from: readCommandCursor(cursor) }),
      };
      if (session_id !== undefined)
        filter.session_id = (await sessionNamed(store, session_id)).session_id;
      const { rows, more } = await page(
        store.commands({ ...filter, limit: limit + 1 }),
        limit,
        (command) => command,
      );
      return {
        commands: rows.map(commandJson),
        count: rows.length,
        next_cursor: more ? commandCursor(rows.at(-1)!) : null,
      };
    },
});
