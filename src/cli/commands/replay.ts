/** `session-buddy replay`: what a recorded terminal showed. */
import { findLive, openLive } from "../../access/live-recording.ts";
import {
  IS_PATH,
  commandStart,
  commandsIfAny,
  commandsIn,
  openRecorded,
} from "../../access/recorded-session.ts";
import { beginWatch, endWatch } from "../../access/watched.ts";
import { validSettings, type Settings } from "../../config/load.ts";
import type { Command } from "../../model/command.ts";
import { requireReference } from "../../model/command-reference.ts";
import { fail } from "../../model/failure.ts";
import { firstShown, linesOf } from "../../model/recording/lines.ts";
import { momentIn } from "../../model/recording/moment.ts";
import type { Damage, RecordingReader } from "../../model/recording/read.ts";
import { parseSeconds } from "../../model/time.ts";
import { endAs } from "../../os/libc.ts";
import { Output } from "../../os/output.ts";
import { isTerminal } from "../../os/proc.ts";
import { sizeOf } from "../../os/pty.ts";
import { SIGNALS } from "../../os/signals.ts";
import { localZone } from "../../os/zone.ts";
import { damageText, endText, markersOf } from "../../render/recording.ts";
import { escapeText } from "../../render/escape.ts";
import { COLOR_FLAG, CONFIG_FLAG, defineCommand } from "../args.ts";
import { followAtTerminal, followInPipe } from "../follower.ts";
import { play } from "../player.ts";
import { note, wantsColor } from "../terminal.ts";

const FASTEST = 1_000;

export default defineCommand({
  description: `Plays what a recorded terminal showed (shell --record).

Without an id: the newest that was recorded. In a pipe it writes the text, as
export --format txt does. With --follow the screen of a session that runs, a
second or less behind, until it ends; q leaves it. Who watches is recorded, and
shown by show-session. Keys:

  space         pause, go on           left, right   5 seconds back, on
  + -           faster, slower         down, up      a minute back, on
  [ ]           the command before,    Home, End     to the start, to the end
                the next one           q             quit

Whatever was recorded, a replay draws letters and colours, and nothing else: it
reaches neither the title of your terminal nor its clipboard nor its modes. A
time is one of the clock (14:05 is that of the recording's day; others as in
list-sessions), or how far into the recording it is: 90, 5m, 1h30m.

EXAMPLES
  session-buddy replay
  session-buddy replay 1a2b3c4d --speed 2 --idle-limit 1
  session-buddy replay 1a2b3c4d --command 12
  session-buddy replay 1a2b3c4d --grep 'permission denied'
  session-buddy replay 1a2b3c4d | less
  session-buddy replay --follow 1a2b3c4d`,
  args: {
    id: {
      type: "positional",
      description:
        "A session's id, a unique prefix of it, its last 8 hex, or its name; or the path of a recording",
    },
    follow: {
      type: "boolean",
      alias: "f",
      description: "Show the screen of a session that runs, as it changes",
    },
    speed: {
      type: "string",
      valueHint: "n",
      description: "So many times as fast (default: 1)",
    },
    "idle-limit": {
      type: "string",
      valueHint: "seconds",
      description: "Where nothing happens for longer, so long only",
    },
    from: {
      type: "string",
      valueHint: "time",
      description: "Begin at this time",
    },
    command: {
      type: "string",
      valueHint: "n",
      description: "Begin where this command did: its number in show-session",
    },
    grep: {
      type: "string",
      valueHint: "text",
      description: "Begin where this text was first to be seen",
    },
    color: COLOR_FLAG,
    config: CONFIG_FLAG,
  },
  async run(args) {
    const { speed, "idle-limit": idle, from, command, grep } = args;
    const begins = { from, command, grep };
    const given = Object.entries(begins).filter(([, v]) => v !== undefined);
    if (given.length > 1)
      throw fail.usage(
        `${given.map(([name]) => `--${name}`).join(" and ")} say where it begins, each`,
        "give one of them",
      );
    const timed = { speed, "idle-limit": idle, ...begins };
    const [past] = Object.entries(timed).filter(([, v]) => v !== undefined);
    if (args.follow && past)
      throw fail.usage(
        `--follow shows what is now, and has no --${past[0]}`,
        "leave one of them out",
      );
    if (args.follow && IS_PATH.test(args.id ?? ""))
      throw fail.usage(
        "--follow takes a session that runs, not a file",
        "without it a file is played as far as it goes",
      );
    if (args.id === "")
      throw fail.usage(
        "the session's id is empty",
        "leave it out for the newest that was recorded",
      );
    if (grep === "")
      throw fail.usage("--grep takes a text", "try: --grep error");
    if (command !== undefined) requireReference(command);
    const times = speed === undefined ? 1 : parseSpeed(speed);
    const idle_us =
      idle === undefined ? Infinity : parseSeconds(idle, "--idle-limit") * 1e3;
    const settings = await validSettings(process.env, args.config);
    if (args.follow)
      return await follow(settings, args.id, wantsColor(args.color));
    const current = process.env["SESSION_BUDDY_SESSION_ID"];
    using recording = await openRecorded(settings, args.id, current, note);
    const { reader } = recording;
    const { session_id } = reader.header;
    const from_us = await beginning(settings, reader, begins);
    // Of a file from elsewhere nothing is known.
    const plays = isTerminal(1);
    let commands: Command[] | null = null;
    const watch = recording.own
      ? await beginWatch(settings, session_id, note, async (store) => {
          if (plays) commands = await commandsIn(store, session_id);
        })
      : null;
    if (!plays) return writeText(reader, from_us);
    commands ??= await commandsIfAny(settings, session_id, note);
    const { signal, damage } = await play({
      ...{ reader, from_us, speed: times, idle_us },
      markers: markersOf(commands, reader.header),
      color: wantsColor(args.color),
      size: () => sizeOf(1),
    });
    tellDamage(damage);
    if (watch) await endWatch(settings, watch, note);
    if (signal) endAs(null, SIGNALS[signal]);
  },
});

/** The screen of a session that runs. */
async function follow(
  settings: Settings,
  word: string | undefined,
  color: boolean,
): Promise<void> {
  const session = await findLive(settings, word, endText, note);
  const { session_id } = session;
  const look = await openLive(settings, session, endText, note);
  // A server records who watches by itself.
  const watch = look.byServer
    ? null
    : await beginWatch(settings, session_id, note);
  const { ending, signal } = isTerminal(1)
    ? await followAtTerminal({ look, color, size: () => sizeOf(1) })
    : await followInPipe(look);
  if (ending) note(`${session_id}: ${ending.why}`);
  if (watch) await endWatch(settings, watch, note);
  if (signal) endAs(null, SIGNALS[signal]);
}

function parseSpeed(text: string): number {
  const speed = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : NaN;
  if (speed > 0 && speed <= FASTEST) return speed;
  throw fail.usage(
    `--speed takes a number above 0, up to ${FASTEST}, not '${text}'`,
    "try: --speed 2, --speed 0.5",
  );
}

async function beginning(
  settings: Settings,
  reader: RecordingReader,
  begins: Record<"from" | "command" | "grep", string | undefined>,
): Promise<number> {
  const { from, command, grep } = begins;
  const { header } = reader;
  if (from !== undefined)
    return momentIn(
      from,
      { began: Date.parse(header.started_at), end_us: reader.lastTime() },
      Date.now(),
      localZone(process.env),
    );
  if (command !== undefined) {
    const { session_id } = header;
    const at = await commandStart(settings, session_id, command, note);
    return Math.max(0, at - Date.parse(header.started_at)) * 1_000;
  }
  if (grep === undefined) return 0;
  const at_us = firstShown(reader, grep);
  if (at_us !== null) return at_us;
  throw fail.not_found(
    `'${grep}' was never to be seen in it`,
    "upper and lower case are alike; what was drawn over within a moment is not found",
  );
}

function writeText(reader: RecordingReader, from_us: number): void {
  const output = new Output();
  const damage = { torn_bytes: 0, damaged_bytes: 0 };
  for (const { text, at_us } of linesOf(reader, damage))
    if (at_us >= from_us) output.write(`${escapeText(text)}\n`);
  output.flush();
  tellDamage(damage);
}

function tellDamage(damage: Damage): void {
  const said = damageText(damage);
  if (said !== null) note(said);
}
