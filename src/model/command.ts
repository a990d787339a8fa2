/**
 * A command that ran in a session: the event of its start and that of its end, if
 * there is one, as people see them.
 */
import type { CommandEnd, CommandStart, JsonObject } from "./event.ts";

export interface Command {
  session_id: string;
  /** Of its session; null of one that has not begun. */
  username: string | null;
  hostname: string | null;
  /** The number of its start among all events; see `list_events`. */
  event_seq: number;
  /** Counted by its shell; null when nobody told. */
  seq: number | null;
  /** Of its shell. */
  pid: number | null;
  /** How many shells of the session are around its own; null when nobody told. */
  depth: number | null;
  /** null where the shell keeps it to itself, or it is withheld or removed. */
  text: string | null;
  /** The bytes of a text that is not UTF-8; absent of others. */
  text_base64?: string;
  /** How much of the text was too long; absent when all is kept. */
  truncated_bytes?: number;
  /** UTC, ISO 8601 with milliseconds. */
  start_time: string;
  /** That of its session where nobody saw its own; null while it may run. */
  end_time: string | null;
  duration_seconds: number | null;
  /** null while it runs, and where nobody saw its end. */
  exit_code: number | null;
  /** Of each command of a pipeline; null of a single one. */
  pipe_status: number[] | null;
  /** Where it began. */
  cwd: string | null;
  /** `private`, `withheld`, `removed`, or `redacted:` and the rules that did; null of most. */
  mark: string | null;
}

/** Which commands a question is about. */
export interface CommandFilter {
  session_id?: string;
  /** The text has this in it, upper and lower case alike. */
  text?: string;
  exit_code?: number;
  /** Ended with another exit status than 0. */
  failed?: boolean;
  /** It began there, or in a folder below. */
  cwd?: string;
  /** In sessions of this user, on this host, of this component. */
  user?: string;
  host?: string;
  component?: string;
  /** Began at or after this time, UTC ISO 8601. */
  after?: string;
  /** Began before this time, UTC ISO 8601. */
  before?: string;
  /** Not ended before this time, UTC ISO 8601; see `end_time`. */
  in_since?: string;
  /** Only what comes after this one in the order of the list: newest first. */
  from?: Pick<Command, "start_time" | "event_seq">;
  limit?: number;
}

/** What a question of time is, each as it is given. */
export interface CommandTimes {
  after?: string | undefined;
  before?: string | undefined;
  /** What ran at this moment. */
  at?: string | undefined;
  /** What ran at some moment from the one on and before the other. */
  from?: string | null | undefined;
  to?: string | null | undefined;
}

/** @param times UTC ISO 8601 */
export function commandTimes(
  times: CommandTimes,
): Pick<CommandFilter, "after" | "before" | "in_since"> {
  const { after, before, at, from, to } = times;
  // What began at the moment itself ran then.
  const past = at && new Date(Date.parse(at) + 1).toISOString();
  const untils = [before, past, to].filter((time) => time != null).sort();
  const sinces = [at, from].filter((time) => time != null).sort();
  return {
    ...(after && { after }),
    ...(untils.length > 0 && { before: untils[0]! }),
    ...(sinces.length > 0 && { in_since: sinces.at(-1)! }),
  };
}

/** What a command has of its session. */
export interface CommandSession {
  username: string | null;
  hostname: string | null;
  /** When it ended; null while it has not. */
  session_end: string | null;
}

/** What is told of it, without what is of every event. */
type Told<E> = Omit<
  E,
  "event_version" | "event_id" | "event_type" | "session_id"
>;

export function commandOf(
  event_seq: number,
  start: Told<CommandStart> & Pick<CommandStart, "session_id">,
  end: Told<CommandEnd> | null,
  { username, hostname, session_end }: CommandSession,
): Command {
  const {
    session_id,
    timestamp: start_time,
    text_base64,
    truncated_bytes,
  } = start;
  const over =
    session_end !== null && session_end < start_time ? start_time : session_end;
  const end_time = end?.timestamp ?? over;
  const apart_ms =
    end_time === null ? null : Date.parse(end_time) - Date.parse(start_time);
  const took_ms = end?.duration_ms ?? (apart_ms && Math.max(0, apart_ms));
  return {
    ...{ session_id, username, hostname, event_seq },
    seq: start.seq ?? null,
    pid: start.pid ?? null,
    depth: start.depth ?? null,
    text: start.text ?? null,
    ...(text_base64 && { text_base64 }),
    ...(truncated_bytes && { truncated_bytes }),
    start_time,
    end_time,
    duration_seconds: took_ms === null ? null : took_ms / 1_000,
    exit_code: end?.exit_code ?? null,
    pipe_status: end?.pipe_status ?? null,
    cwd: start.cwd ?? null,
    mark: start.mark ?? null,
  };
}

/** Of its JSON, those that each has. */
export const COMMAND_KEYS = [
  ...(["session_id", "username", "hostname", "event_seq", "seq"] as const),
  ...(["pid", "depth", "text", "start_time", "end_time"] as const),
  ...(["duration_seconds", "exit_code", "pipe_status"] as const),
  ...(["cwd", "mark"] as const),
] as const satisfies readonly (keyof Command)[];

/** As JSON answers show it. */
export const commandJson = (command: Command): JsonObject => ({ ...command });

/** The newest commands of a session that match, newest last. */
export async function newestCommands(
  store: { commands(filter: CommandFilter): AsyncIterable<Command> },
  filter: CommandFilter,
): Promise<Command[]> {
  return (await Array.fromAsync(store.commands(filter))).reverse();
}
