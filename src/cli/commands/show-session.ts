/** `session-buddy show-session`: shows one session in full. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { type Settings, validSettings } from "../../config/load.ts";
import { Failure, fail } from "../../model/failure.ts";
import {
  type Command,
  type CommandFilter,
  newestCommands,
} from "../../model/command.ts";
import { parseCount } from "../../model/time.ts";
import { isSessionId } from "../../model/id.ts";
import { ambiguous, findSession, noSession } from "../../model/reference.ts";
import { type Remarks, remarksOn } from "../../model/remarks.ts";
import type { Session } from "../../model/session.ts";
import type { SessionStore } from "../../model/store.ts";
import { withMaintenance, withReadable } from "../../access/open.ts";
import { isTerminal } from "../../os/proc.ts";
import { localZone } from "../../os/zone.ts";
import { commandLines } from "../../render/commands.ts";
import { detail } from "../../render/detail.ts";
import { sessionDocument } from "../../render/json.ts";
import { note, print } from "../terminal.ts";

/** At a terminal. */
const DEFAULT_COMMANDS = 50;

export default defineCommand({
  description: `Shows one session: its facts, its metadata, then its commands.

Without an id: the session that we are in, else the newest.

Of commands: their numbers, as \`redact\` takes them (after the pid of their shell
where there are several), when they began, how long they took, their exit status
(- where nobody saw it; of a pipeline that of each), and their text, newest
last. At a terminal these are the newest ${DEFAULT_COMMANDS} unless -n is given, and of a
command of several lines the first; a pipe gets all. (private): the shell kept
the text to itself; (withheld): it could not be told whether there is a secret
in it; (removed): somebody took it away since.

EXAMPLES
  session-buddy show-session
  session-buddy show-session mahavishnu-20260206
  session-buddy show-session --failed -n 10
  session-buddy show-session 1a2b3c4d --format json | jq .duration_seconds`,
  args: {
    id: {
      type: "positional",
      description:
        "A session's id, a unique prefix of it, its last 8 hex, or its name",
    },
    commands: {
      type: "boolean",
      default: true,
      description: "Without the commands",
    },
    failed: {
      type: "boolean",
      description: "Only commands with another exit status than 0",
    },
    limit: {
      type: "string",
      alias: "n",
      valueHint: "count",
      description: "So many commands at most, the newest",
    },
    format: {
      type: "string",
      values: ["text", "json"],
      description: "text or json",
    },
    json: { type: "boolean", description: "The same as --format json" },
    config: CONFIG_FLAG,
  },
  async run(args) {
    const format = args.format ?? (args.json ? "json" : "text");
    if (format !== "text" && format !== "json")
      throw fail.usage(
        `--format takes text or json, not '${format}'`,
        "try: --format json",
      );
    const person = format === "text" && isTerminal(1);
    const limit =
      args.limit === undefined ? null : parseCount(args.limit, "--limit");
    const settings = await validSettings(process.env, args.config);
    const current = process.env["SESSION_BUDDY_SESSION_ID"];
    const { id } = args;
    // An unset variable in a script shall not mean the newest session.
    if (id === "")
      throw fail.usage(
        "the session's id is empty",
        "leave it out for the session that you are in, else the newest",
      );
    const found = await withReadable(settings, note, async (store) => {
      const session =
        id !== undefined
          ? await findSession(store, id)
          : await currentOrNewest(store, current);
      if (!session) return null;
      const commands = args.commands
        ? await commandsOf(store, {
            session_id: session.session_id,
            ...(args.failed && { failed: true }),
            ...(limit !== null
              ? { limit }
              : person && { limit: DEFAULT_COMMANDS + 1 }),
          })
        : null;
      return { session, commands, said: await remarksOn(store, session) };
    });
    if (found === null) throw await missing(settings, id!);
    const { session, commands, said } = found;
    const more =
      person && limit === null && (commands?.length ?? 0) > DEFAULT_COMMANDS;
    if (more) commands!.shift();
    // The store is released before the output, which a reader may take slowly.
    print(
      format === "json"
        ? sessionDocument(session, commands, said)
        : sessionText(session, commands ?? [], said, person),
    );
    if (more)
      note(`only the newest ${DEFAULT_COMMANDS} commands are shown (see -n)`);
  },
});

/** Oldest first; null from a server that is too old to have any. */
async function commandsOf(
  store: SessionStore,
  filter: CommandFilter,
): Promise<Command[] | null> {
  try {
    return await newestCommands(store, filter);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "outdated") throw error;
    note(`without commands: ${error.message}`);
    return null;
  }
}

/** @param person folds commands of several lines */
function sessionText(
  session: Session,
  commands: readonly Command[],
  said: Remarks,
  person: boolean,
): string {
  const zone = localZone(process.env);
  const facts = detail(session, zone, said);
  if (commands.length === 0) return facts;
  return `${facts}commands:\n${commandLines(commands, zone, person)}`;
}

/** Why there is no such session: it went to an archive, or never was here. */
async function missing(
  settings: Settings,
  reference: string,
): Promise<Failure> {
  const archived =
    settings.config.server.endpoint === null
      ? await withMaintenance(settings, note, (k) => k.archived(reference))
      : [];
  if (archived.length > 1) return ambiguous(reference, archived);
  if (archived[0]) {
    const { session_id, folder } = archived[0];
    return fail.not_found(
      `session '${session_id}' is archived in '${folder}'`,
      "any reader of Parquet shows it: sessions.parquet, events.parquet",
    );
  }
  return noSession(reference, "try: session-buddy list-sessions");
}

async function currentOrNewest(
  store: SessionStore,
  current: string | undefined,
): Promise<Session> {
  if (current && isSessionId(current)) {
    const session = await store.get(current);
    if (session) return session;
  }
  for await (const session of store.list({ limit: 1 })) return session;
  throw fail.not_found(
    "no session has been recorded yet",
    "try: session-buddy shell",
  );
}
