/** who_at: who was in at a moment, what each was doing then, and what failed around it. */
import { z } from "zod";
import type { CommandFilter } from "../../model/command.ts";
import { readSessionCursor, sessionCursor } from "../../model/cursor.ts";
import { MAX_COMMANDS, doingAt, withLast } from "../../model/doing.ts";
import { Failure, fail } from "../../model/failure.ts";
import type { SessionFilter } from "../../model/filter.ts";
import { sessionJson } from "../../model/json.ts";
import type { Session } from "../../model/session.ts";
import type { SessionStore } from "../../model/store.ts";
import { parseLength } from "../../model/time.ts";
import { count, cursor, lenient, orNull, page, text } from "./fields.ts";
import { command } from "./list-commands.ts";
import { session, sessionFilterOf, when } from "./session-filter.ts";
import { tool } from "./tool.ts";

const DEFAULT_SESSIONS = 20;
const MAX_SESSIONS = 100;
const DEFAULT_AROUND = "30m";
const MAX_AROUND_MS = 31 * 86_400_000;
/** Sessions that did nothing for long before, of which each takes a query. */
const LOOKED_FOR = 10;
const FAILED_EACH = 10;

export const whoAt = tool({
  name: "who_at",
  title: "Who was in at a moment",
  description:
    'Who was in at a moment: each session that had begun and not ended, with the command that was running then or the last one begun before (doing; last_command is its text), and the commands that failed around the moment (failed). Use it for an incident: who was on that host, and what went wrong. Without a time it is who is in now. Example: {"time":"yesterday 14:05","host":"ops-1","around":"1h"}',
  access: "read",
  input: z.strictObject({
    time: when("The moment; now when left out"),
    host: text.optional().describe("On this host"),
    user: text.optional().describe("Of this user"),
    component: text.optional().describe("Of this component"),
    around: z
      .preprocess((v) => (typeof v === "number" ? String(v) : v), text)
      .optional()
      .describe(
        `What failed is looked for so long before and after: 30m, 2h, or seconds; ${DEFAULT_AROUND} when left out`,
      ),
    limit: lenient(z.int().min(1).max(MAX_SESSIONS))
      .optional()
      .describe(
        `Sessions at most, 1 to ${MAX_SESSIONS}; ${DEFAULT_SESSIONS} when left out`,
      ),
    cursor,
  }),
  output: z.object({
    time: text,
    sessions: z.array(
      z.object({
        ...session,
        doing: z.object(command.shape).nullable(),
        failed: z.array(command),
      }),
    ),
    count,
    next_cursor: orNull,
    note: orNull,
  }),
  run:
    ({ store }) =>
    async (args, { received_ms }) => {
      const { time: given = "now", around = DEFAULT_AROUND } = args;
      const { user, host, component, cursor } = args;
      const { limit = DEFAULT_SESSIONS } = args;
      const of = {
        ...(user !== undefined && { user }),
        ...(host !== undefined && { host }),
        ...(component !== undefined && { component }),
      };
      const filter = momentOf({ ...of, at: given }, received_ms);
      const time = filter.at!;
      const around_ms = lengthOf(around);
      if (cursor !== undefined) filter.from = readSessionCursor(cursor);
      const { rows, more } = await page(
        store.list({ ...filter, limit: limit + 1 }),
        limit,
        (one: Session) => one,
      );
      const { doing, failed, note } = await commandsAt(
        ...([store, rows, of, Date.parse(time), around_ms] as const),
      );
      return {
        time,
        sessions: rows.map((one) => ({
          ...sessionJson(
            args.time === undefined
              ? one
              : withLast(one, doing.get(one.session_id)),
          ),
          doing: doing.get(one.session_id) ?? null,
          failed: failed.get(one.session_id)?.slice(0, FAILED_EACH) ?? [],
        })),
        count: rows.length,
        next_cursor: more ? sessionCursor(rows.at(-1)!) : null,
        note,
      };
    },
});

/** @throws Failure (refused) that names the field as it was given */
function momentOf(
  args: Parameters<typeof sessionFilterOf>[0],
  now_ms: number,
): SessionFilter {
  try {
    return sessionFilterOf(args, now_ms);
  } catch (error) {
    throw asField(error, "at: ", "time: ");
  }
}

function lengthOf(around: string): number {
  let length_ms: number;
  try {
    length_ms = parseLength(around);
  } catch (error) {
    throw asField(error, "", "around: ");
  }
  if (length_ms <= MAX_AROUND_MS) return length_ms;
  throw fail.refused(
    `around: '${around}' is more than 31 days`,
    "for longer spans ask list_commands",
  );
}

function asField(error: unknown, from: string, to: string): unknown {
  if (!(error instanceof Failure)) return error;
  return fail.refused(to + error.sentence.slice(from.length), error.hint);
}

/** What ran in some sessions at a moment, and what failed around it. */
async function commandsAt(
  store: SessionStore,
  sessions: readonly Session[],
  of: CommandFilter,
  moment_ms: number,
  around_ms: number,
) {
  const notes: string[] = [];
  const at = (ms: number) => new Date(moment_ms + ms).toISOString();
  const ask = (filter: CommandFilter) =>
    sessions.length === 0
      ? Promise.resolve([])
      : Array.fromAsync(
          store.commands({ ...of, ...filter, limit: MAX_COMMANDS }),
        );

  const span = { after: at(-around_ms), before: at(around_ms) };
  const all = await ask(span);
  const whole = all.length < MAX_COMMANDS;
  const failed = whole
    ? all.filter(({ exit_code }) => (exit_code ?? 0) !== 0)
    : await ask({ ...span, failed: true });
  if (failed.length === MAX_COMMANDS)
    notes.push(
      `only the newest ${MAX_COMMANDS} failures around it were looked at: ask with a shorter around`,
    );
  const { doing, idle } = await doingAt(store, sessions, moment_ms, {
    ...{ of, known: whole ? all : [], singly: LOOKED_FOR },
  });
  if (idle > LOOKED_FOR)
    notes.push(
      `doing was looked for in ${LOOKED_FOR} of the ${idle} that began nothing for a day; list_commands has it of the others`,
    );
  return {
    doing,
    failed: Map.groupBy(failed, ({ session_id }) => session_id),
    note: notes.length > 0 ? notes.join("; ") : null,
  };
}
