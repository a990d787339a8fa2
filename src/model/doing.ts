/** What ran in sessions at a moment, or had begun there last. */
import type { Session } from "./columns.ts";
import type { Command, CommandFilter } from "./command.ts";
import { beginning } from "./fold.ts";

const DAY_MS = 86_400_000;
/** Looked at in all sessions together. */
export const MAX_COMMANDS = 2_000;

interface Store {
  commands(filter: CommandFilter): AsyncIterable<Command>;
}

/** How commands are looked for. */
interface Looking {
  /** What the sessions have in common. */
  of?: CommandFilter;
  /** What was read before, newest first. */
  known?: readonly Command[];
  /** Sessions that did nothing for a day, of which each takes a query. */
  singly?: number;
}

export interface Doing {
  /** By the session; of none that had begun no command. */
  doing: Map<string, Command>;
  /** How many began nothing for a day. */
  idle: number;
}

/**
 * The last command of each session that had begun by a moment, in the fewest queries
 * that do: each looks at all that is stored from then on.
 */
export async function doingAt(
  store: Store,
  sessions: readonly Session[],
  moment_ms: number,
  { of = {}, known = [], singly = Infinity }: Looking = {},
): Promise<Doing> {
  const doing = new Map<string, Command>();
  const at = (ms: number) => new Date(moment_ms + ms).toISOString();
  const moment = at(0);
  // What began at the moment itself was begun by then.
  const before = at(1);
  const add = (commands: readonly Command[]) => {
    for (const command of commands)
      if (command.start_time <= moment && !doing.has(command.session_id))
        doing.set(command.session_id, command);
  };
  const unknown = () =>
    sessions.filter(
      ({ session_id, command_count }) =>
        command_count !== null && !doing.has(session_id),
    );
  const ask = async (filter: CommandFilter) =>
    add(await Array.fromAsync(store.commands({ ...filter, before })));

  add(known);
  if (unknown().length > 1)
    await ask({ ...of, after: at(-DAY_MS), limit: MAX_COMMANDS });
  const idle = unknown();
  for (const { session_id, start_time: after } of idle.slice(0, singly))
    await ask({ session_id, after, limit: 1 });
  return { doing, idle: idle.length };
}

/** A session as it was: with the command that had begun last. */
export const withLast = (session: Session, last: Command | undefined) => ({
  ...session,
  last_command: typeof last?.text === "string" ? beginning(last.text) : null,
});

/** Sessions that are read at a time. */
const AT_A_TIME = 200;

/** Sessions as they were at a moment, each with the command that had begun last. */
export async function* sessionsAt(
  store: Store,
  sessions: AsyncIterable<Session>,
  moment_ms: number,
  of: CommandFilter,
): AsyncGenerator<Session> {
  let some: Session[] = [];
  const asThen = async () => {
    const { doing } = await doingAt(store, some, moment_ms, { of });
    return some.map((one) => withLast(one, doing.get(one.session_id)));
  };
  for await (const session of sessions) {
    some.push(session);
    if (some.length < AT_A_TIME) continue;
    yield* await asThen();
    some = [];
  }
  yield* await asThen();
}
