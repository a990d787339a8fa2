/** `session-buddy list-commands`: commands of all sessions. */
import { defineCommand } from "../args.ts";
import { withReadable } from "../../access/open.ts";
import { requireNotOwn } from "../../access/own-files.ts";
import { validSettings } from "../../config/load.ts";
import {
  COMMAND_KEYS,
  type CommandFilter,
  commandJson,
  commandTimes,
} from "../../model/command.ts";
import { fail } from "../../model/failure.ts";
import { findSession, noSession } from "../../model/reference.ts";
import type { SessionStore } from "../../model/store.ts";
import {
  parseExitStatus,
  parseLength,
  parseSpan,
  parseTime,
} from "../../model/time.ts";
import { localZone } from "../../os/zone.ts";
import { noneFound } from "../../render/asked.ts";
import { COMMAND_COLUMNS, COMMAND_TABLE } from "../../render/commands.ts";
import { folderNamed, hostNamed } from "../filters.ts";
import {
  DEFAULT_LIMIT,
  FOUND_FLAGS,
  WHERE_FLAGS,
  writeFound,
} from "../found.ts";
import { note } from "../terminal.ts";

const ZONE = localZone(process.env);

export default defineCommand({
  description: `Lists commands that were typed in recorded shells, newest first.

TIMEs are as list-sessions --help says. (private): the shell kept the text to
itself; (withheld): it could not be told whether there is a secret in it;
(removed): somebody took it away since. Exit is - where nobody saw the end; such
a command ran until its session ended, or runs now.

At a terminal the newest ${DEFAULT_LIMIT} are shown unless --limit is given; a pipe gets all,
tab-separated, without a header.

EXAMPLES
  session-buddy list-commands --failed --during 'yesterday 14:00..14:30'
  session-buddy list-commands --failed --host . --last 2h
  session-buddy list-commands --at 'yesterday 14:05'
  session-buddy list-commands --text 'terraform apply' --user les --after -30d
  session-buddy list-commands 1a2b3c4d --json | jq -r '.[].text'`,
  args: {
    id: {
      type: "positional",
      description:
        "Of one session: its id, a unique prefix of it, its last 8 hex, or its name",
    },
    failed: {
      type: "boolean",
      description:
        "With another exit status than 0, each command's own; sessions: list-sessions --failed-commands",
    },
    exit: {
      type: "string",
      valueHint: "n",
      description: "With this exit status",
    },
    text: {
      type: "string",
      description: "With this text in it, upper and lower case alike",
    },
    cwd: {
      type: "string",
      valueHint: "folder",
      description: "Begun in this folder, or below it",
    },
    ...WHERE_FLAGS,
    at: {
      type: "string",
      valueHint: "time",
      description: "Ran at this moment: begun by then, and not ended before it",
    },
    during: {
      type: "string",
      valueHint: "A..B",
      description:
        "Ran at some moment from A on and before B, or without one of them; a clock time as B is of A's day, or of the next",
    },
    last: {
      type: "string",
      valueHint: "length",
      description: "Ran at some moment of the last 5h30m, 90m, 2d",
    },
    ...FOUND_FLAGS,
  },
  async run(args) {
    const { id, failed, exit, text, cwd, user, host, component } = args;
    // An unset variable in a script shall not mean all sessions.
    if (id === "")
      throw fail.usage("the session's id is empty", "leave it out for all");
    const now = Date.now();
    const filter: CommandFilter = {
      ...spanOf(args, now),
      ...(failed && { failed }),
      ...(exit !== undefined && { exit_code: parseExitStatus(exit, "--exit") }),
      ...(text !== undefined && { text }),
      ...(cwd !== undefined && { cwd: folderNamed(cwd) }),
      ...(user !== undefined && { user }),
      ...(host !== undefined && { host: hostNamed(host) }),
      ...(component !== undefined && { component }),
    };
    const settings = await validSettings(process.env, args.config);
    const asked =
      args.at === undefined ? filter : { at: filter.in_since as string };
    const none = noneFound("no commands match", asked, now, ZONE);
    await writeFound(
      args,
      { ...LOOK, none },
      {
        read: (limit, use) =>
          withReadable(settings, note, async (store) => {
            if (id !== undefined)
              filter.session_id = await sessionOf(store, id);
            if (limit !== undefined) filter.limit = limit;
            return use(store.commands(filter));
          }),
        requireFree: (path) => requireNotOwn(settings, path),
      },
    );
  },
});

const LOOK = {
  ...{ columns: COMMAND_COLUMNS, person: COMMAND_TABLE, keys: COMMAND_KEYS },
  ...{ json: commandJson, zone: ZONE },
};

interface Times {
  after?: string | undefined;
  before?: string | undefined;
  at?: string | undefined;
  during?: string | undefined;
  last?: string | undefined;
}

function spanOf(
  { after, before, at, during, last }: Times,
  now: number,
): ReturnType<typeof commandTimes> {
  const asked = [at, during, last, after ?? before].filter(
    (v) => v !== undefined,
  );
  if (asked.length > 1)
    throw fail.usage(
      "--at, --during, --last, and --after with --before, each ask for a time",
      "give one of them",
    );
  const time = (text: string | undefined) =>
    text === undefined ? text : parseTime(text, now, ZONE).toISOString();
  if (last !== undefined)
    return commandTimes({
      from: new Date(now - parseLength(last)).toISOString(),
    });
  if (during !== undefined) return commandTimes(parseSpan(during, now, ZONE));
  return commandTimes({
    ...{ after: time(after), before: time(before), at: time(at) },
  });
}

async function sessionOf(store: SessionStore, id: string): Promise<string> {
  const session = await findSession(store, id);
  if (session) return session.session_id;
  throw noSession(
    id,
    `for commands with it in their text: --text ${asWord(id)}; for sessions: session-buddy list-sessions`,
  );
}

const MAX_SHOWN = 60;

/** As a shell takes it. */
function asWord(text: string): string {
  if (/^[\w./:@-]{1,60}$/.test(text) && !text.startsWith("-")) return text;
  return text.length > MAX_SHOWN
    ? "TEXT"
    : `'${text.replaceAll("'", "'\\''")}'`;
}
