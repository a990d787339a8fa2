/** `session-buddy watch`: what goes on now. */
import { defineCommand, COLOR_FLAG, CONFIG_FLAG } from "../args.ts";
import { withReadable } from "../../access/open.ts";
import { type Settings, validSettings } from "../../config/load.ts";
import { newestCommands } from "../../model/command.ts";
import { Failure } from "../../model/failure.ts";
import type { EventFilter } from "../../model/filter.ts";
import { findSession, noSession } from "../../model/reference.ts";
import type { Session } from "../../model/session.ts";
import type { SessionStore } from "../../model/store.ts";
import { Changes } from "../../os/changes.ts";
import { Output, terminalWidth } from "../../os/output.ts";
import { isTerminal } from "../../os/proc.ts";
import { localZone } from "../../os/zone.ts";
import { commandLines } from "../../render/commands.ts";
import { escapeText } from "../../render/escape.ts";
import { WATCH_COLUMNS } from "../../render/detail.ts";
import { EVENT_COLUMNS } from "../../render/events.ts";
import { cut, tabRow, table } from "../../render/table.ts";
import { isSpoolFile } from "../../spool/folder.ts";
import { spoolFolder } from "../../spool/write.ts";
import { QUIT, Screen } from "../screen.ts";
import { note, wantsColor } from "../terminal.ts";

const ZONE = localZone(process.env);
/** Of a burst of changes one is looked at. */
const LEAST_MS = 500;
/** What no file tells of: durations, and a server on another host. */
const MOST_MS = 2_000;

export default defineCommand({
  description: `Shows what goes on now: sessions and their last command, newest first.

At a terminal a table that is drawn again when something happens; q ends it.
In a pipe each event as it comes, a line each, as list-events has them. With an
id: the commands of that session.

EXAMPLES
  session-buddy watch
  session-buddy watch 1a2b3c4d
  session-buddy watch | grep command_start`,
  args: {
    id: {
      type: "positional",
      description:
        "A session's id, a unique prefix of it, its last 8 hex, or its name",
    },
    color: COLOR_FLAG,
    config: CONFIG_FLAG,
  },
  async run({ id, color, config }) {
    const settings = await validSettings(process.env, config);
    const session_id =
      id === undefined ? null : await sessionNamed(settings, id);
    const end = new AbortController();
    const quit = () => end.abort();
    for (const signal of ENDING) process.on(signal, quit);
    const folder = spoolFolder(settings.paths.data!);
    using changes = new Changes(folder, isSpoolFile, LEAST_MS, MOST_MS);
    const again = () => changes.next(end.signal);
    if (isTerminal(1))
      await showScreen(settings, session_id, wantsColor(color), end, again);
    else await followEvents(settings, session_id, end, again);
  },
});

const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function sessionNamed(settings: Settings, id: string): Promise<string> {
  return withReadable(settings, note, async (store) => {
    const session = await findSession(store, id);
    if (session) return session.session_id;
    throw noSession(id, "try: session-buddy list-sessions");
  });
}

async function showScreen(
  settings: Settings,
  session_id: string | null,
  color: boolean,
  end: AbortController,
  again: () => Promise<void>,
): Promise<void> {
  using screen = new Screen((keys) => {
    if (QUIT.test(keys)) end.abort();
  });
  let lines: string[] = [];
  while (!end.signal.aborted) {
    let said = "q: quit";
    const tell = (sentence: string) => (said = sentence);
    try {
      // The last line says how to end it.
      const room = screen.rows - 1;
      lines = await withReadable(settings, tell, (store) =>
        session_id === null
          ? sessionLines(store, room, color)
          : sessionCommands(store, session_id, room),
      );
    } catch (error) {
      // Another has the database, or a server is away: it is looked for again.
      if (!(error instanceof Failure)) throw error;
      tell(`${error.sentence} (${error.hint})`);
    }
    const width = terminalWidth(1) ?? Infinity;
    screen.draw(
      [...lines, `session-buddy: ${escapeText(said)}`].map((line) =>
        cut(line, width),
      ),
    );
    await again();
  }
}

/** Those that are active, then the others, each newest first. */
async function sessionLines(
  store: SessionStore,
  room: number,
  color: boolean,
): Promise<string[]> {
  const limit = Math.max(1, room - 1);
  const active = await Array.fromAsync(store.list({ status: "active", limit }));
  const newest = await Array.fromAsync(store.list({ limit }));
  const others = newest.filter(({ status }) => status !== "active");
  const shown: Session[] = [...active, ...others].slice(0, limit);
  if (shown.length === 0) return ["no session has been recorded yet"];
  const options = { color, zone: ZONE, width: terminalWidth(1) };
  return table(WATCH_COLUMNS, shown, options).trimEnd().split("\n");
}

async function sessionCommands(
  store: SessionStore,
  session_id: string,
  room: number,
): Promise<string[]> {
  const session = await store.get(session_id);
  const limit = Math.max(1, room - 1);
  const commands = await newestCommands(store, { session_id, limit });
  const text = commandLines(commands, ZONE, true).trimEnd();
  return [
    `${session_id} ${session?.status ?? ""}`,
    ...(text === ""
      ? ["  no command has been recorded yet"]
      : text.split("\n")),
  ];
}

async function followEvents(
  settings: Settings,
  session_id: string | null,
  end: AbortController,
  again: () => Promise<void>,
): Promise<void> {
  const output = new Output();
  const filter: EventFilter = {
    ...(session_id !== null && { session_id }),
    after: new Date().toISOString(),
  };
  let said = "";
  const tell = (sentence: string) => {
    if (sentence !== said) note(sentence);
    said = sentence;
  };
  while (!end.signal.aborted) {
    try {
      await withReadable(settings, tell, async (store) => {
        for await (const stored of store.events(filter)) {
          output.write(tabRow(EVENT_COLUMNS, stored, ZONE));
          filter.after_seq = stored.seq;
          // From now on all that arrives, whenever it happened.
          delete filter.after;
        }
      });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      tell(`${error.sentence} (${error.hint})`);
    }
    output.flush();
    await again();
  }
}
