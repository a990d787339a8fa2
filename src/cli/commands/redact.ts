/** `session-buddy redact`: removes texts that were recorded, or shows what redaction makes of one. */
import {
  type Settings,
  redactionOf,
  validSettings,
  recordingsRoot,
} from "../../config/load.ts";
import { type Target, findTexts } from "../../access/find-texts.ts";
import { hasRecording } from "../../access/kept-recordings.ts";
import { type TextsRemoved, removeTexts } from "../../access/remove-texts.ts";
import { requireReference } from "../../model/command-reference.ts";
import { fail } from "../../model/failure.ts";
import { redact } from "../../model/redaction/redact.ts";
import { isSuspect } from "../../model/redaction/suspect.ts";
import { noSession } from "../../model/reference.ts";
import { readOpen, say } from "../../os/file.ts";
import { passwdEntry } from "../../os/paths.ts";
import { escapeText } from "../../render/escape.ts";
import { bytes } from "../../render/format.ts";
import { CONFIG_FLAG, JSON_FLAG, YES_FLAG, defineCommand } from "../args.ts";
import { confirm, note, printResult } from "../terminal.ts";

export default defineCommand({
  description: `Removes texts that were recorded; --check shows what is kept of one.

Of a session all that people typed or said goes, or with --command the text of
one command: from the spool, the database, the archives, and the backups that
\`session-buddy backup\` made. The recording of its terminal goes as a whole each
time, for nobody can tell where in it a text stands; --recording removes it and
nothing else. That it was removed, when and by whom, stays, as do times, exit
statuses and folders. What comes of it later is stored without its texts. A copy
that cannot be reached is named, and the exit status is 1 then: run it again
once it is there.

--check reads a text from standard input, and records nothing. A text on the
command line would be in the shell's history and in the list of processes; so it
takes none.

EXAMPLES
  session-buddy redact 1a2b3c4d --command 12
  session-buddy redact --recording 1a2b3c4d
  session-buddy redact --yes mahavishnu-20260206-123456-1a2b3c4d
  session-buddy redact --check < commands.txt`,
  args: {
    id: {
      type: "positional",
      description:
        "A session's id, a unique prefix of it, its last 8 hex, or its name",
    },
    command: {
      type: "string",
      valueHint: "n",
      description:
        "Only the text of this command: its number in show-session, or its event's id",
    },
    recording: {
      type: "boolean",
      description: "Only the recording of its terminal",
    },
    yes: YES_FLAG,
    check: {
      type: "boolean",
      description: "Print what is kept; the rules that hit go to stderr",
    },
    json: JSON_FLAG,
    config: CONFIG_FLAG,
  },
  async run({ id, command, recording, yes, check, json, config }) {
    if (check) {
      if (id !== undefined || command !== undefined || recording || yes)
        throw fail.usage(
          "redact --check takes a text from standard input, and no session",
          "try: session-buddy redact --check < commands.txt",
        );
      return checkText(await validSettings(process.env, config), json);
    }
    if (id === undefined || id === "")
      throw fail.usage(
        id === ""
          ? "the session's id is empty"
          : "redact needs a session's id, or --check",
        "try: session-buddy redact 1a2b3c4d --command 12",
      );
    if (command !== undefined && recording)
      throw fail.usage(
        "--command takes the recording along: --recording is for that alone",
        "give one of them",
      );
    if (command !== undefined) requireReference(command);
    const settings = await validSettings(process.env, config);
    const target = await findTexts(settings, id, command, note);
    const { session_id } = target;
    const recorded = hasRecording(recordingsRoot(settings), session_id);
    const asked = recording
      ? `The recording of session ${session_id} is removed for good, and no text of it. Go on?`
      : question(target, recorded);
    if (!confirm(asked, yes)) return 1;
    const user = passwdEntry()?.username ?? `uid-${process.geteuid!()}`;
    const removal = { ...target, recording: true, user };
    if (recording) removal.commands = [];
    const done = await removeTexts(settings, removal, note);
    if (target.command_count === null && isNowhere(done))
      throw noSession(id, "try: session-buddy list-sessions");
    printResult(json, { session_id, ...done }, words(removal, done), 2);
    return done.left.length > 0 ? 1 : 0;
  },
});

const isNowhere = ({
  spool,
  database,
  archives,
  copies,
  recording,
  removed,
  left,
}: TextsRemoved) =>
  spool === 0 &&
  database === null &&
  recording === null &&
  [archives, copies, removed, left].every((list) => list.length === 0);

function question(
  { session_id, commands, command_count }: Target,
  recorded: boolean,
): string {
  if (commands === null)
    return `All texts of session ${session_id}${command_count ? `, which has ${command_count} commands,` : ""} are removed for good: commands, argv, reason, name, tags, notes, metadata${recorded ? ", and the recording of its terminal" : ""}; from backups, too. Go on?`;
  const { seq, pid } = commands[0]!;
  const which = `command ${seq ?? "without a number"}${pid === null ? "" : ` of shell ${pid}`}`;
  const times =
    commands.length > 1 ? ` (${commands.length} of that number)` : "";
  return `The text of ${which}${times} in session ${session_id} is removed for good, from backups, too${recorded ? "; and the whole recording of its terminal, which may show it anywhere" : ""}. Go on?`;
}

function words(
  { session_id, commands }: Pick<Target, "session_id" | "commands">,
  done: TextsRemoved,
): string {
  const { spool, database, archives, copies, recording, removed, left } = done;
  // Of the recording alone: its texts are the lines that searches look through.
  const alone = commands?.length === 0;
  const gone = (events: number) =>
    alone
      ? "its lines are found no more"
      : events > 0
        ? `${events} events`
        : "nothing was left of it";
  const lines = [`session: ${session_id}`];
  if (!alone)
    lines.push(`spool: ${spool > 0 ? `${spool} lines` : "nothing of it"}`);
  if (database !== null) lines.push(`database: ${gone(database)}`);
  if (recording !== null)
    lines.push(`recording: removed (${bytes(recording)})`);
  else if (alone)
    lines.push("recording: none was here, and none is taken any more");
  for (const { path, events } of archives)
    lines.push(`archive: ${escapeText(path)} (${gone(events)})`);
  for (const { path, events } of copies)
    lines.push(`copy: ${escapeText(path)} (${gone(events)})`);
  for (const path of removed)
    lines.push(`file removed: ${escapeText(path)} (from before an upgrade)`);
  for (const why of left) lines.push(`NOT DONE: ${escapeText(why)}`);
  return lines.map((line) => `${line}\n`).join("");
}

function checkText(settings: Settings, json: boolean): void {
  const { patterns } = settings.config.redaction;
  const input = readOpen(0, "standard input");
  const text = Buffer.from(input).toString("utf8");
  const result = redact(text, redactionOf(settings)!);
  const looked_at = isSuspect(text, patterns);
  const shown = result.text.split("\n").map(escapeText).join("\n");
  printResult(json, { ...result, looked_at }, shown, 2);
  if (!json) say(`${verdict(result, looked_at)}\n`);
}

function verdict(
  { rules, withheld }: { rules: string[]; withheld: boolean },
  looked_at: boolean,
): string {
  if (withheld)
    return "withheld: a program that is called with a password, in a way that no rule reads";
  if (rules.length > 0) return `redacted: ${rules.join(", ")}`;
  return looked_at
    ? "kept: no rule hit"
    : "kept: nothing in it could be a secret";
}
