/**
 * The filters of sessions once more, as slowly and plainly as can be: over the JSON
 * of all rows, from what a person would type. And random filters to hold the others
 * to it.
 */
import type { FilterArguments } from "../../src/model/filter.ts";
import type { Random } from "./random.ts";
import type { SessionJson } from "./sandbox.ts";

export interface Asked {
  args: FilterArguments;
  reverse?: boolean;
  offset?: number;
  limit?: number;
}

/** A time as it may be typed, and what it is. */
type Typed = [text: string, ms: number];

/** Of all rows, newest first, those that are asked for. */
export function naive(
  rows: readonly SessionJson[],
  { args, reverse, offset = 0, limit = Infinity }: Asked,
  now: number,
): string[] {
  const found = rows.filter((row) =>
    Object.entries(args).every(
      ([name, value]) =>
        value === undefined || MATCHES[name]!(row, value as never, now),
    ),
  );
  if (reverse) found.reverse();
  return found
    .slice(offset, offset + limit)
    .map(({ session_id }) => session_id);
}

const ms = Date.parse;
/** What is written by `typedTimes` alone. */
const timeOf = (text: string, now: number) =>
  text === "now"
    ? now
    : text.startsWith("-")
      ? now - Number(text.slice(1, -1)) * 60_000
      : text.startsWith("@")
        ? Number(text.slice(1)) * 1_000
        : ms(text.replace(",", "."));
const lengthOf = (text: string) => {
  const [, h = 0, m = 0, s = 0] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?$/.exec(
    text,
  )!;
  return Number(h) * 3_600 + Number(m) * 60 + Number(s);
};
/** Of an active session it grows after the row was read. */
const tookBy = (row: SessionJson, now: number) =>
  row.end_time === null
    ? (now - ms(row.start_time)) / 1_000
    : row.duration_seconds;
const wasIn = (row: SessionJson, from: number, to: number) => {
  const begun = ms(row.start_time);
  const ended = row.end_time === null ? Infinity : ms(row.end_time);
  return begun <= to && ended >= from;
};

const MATCHES: Record<
  string,
  (row: SessionJson, value: never, now: number) => boolean
> = {
  reference: (row, text: string) =>
    row.session_id.startsWith(text) || row.session_id.endsWith(`-${text}`),
  type: (row, text) => row.session_type === text,
  component: (row, text) => row.component_name === text,
  user: (row, text) => row.username === text,
  host: (row, text) => row.hostname === text,
  name: (row, text) => row.name === text,
  reporter: (row, text) => row.reporter === text,
  attested: (row, text) => row.attested === text,
  tag: (row, tags: string[]) => tags.every((tag) => row.tags.includes(tag)),
  cwd: (row, folder: string) =>
    `${row.working_directory}/`.startsWith(`${folder.replace(/\/+$/, "")}/`),
  exit: (row, status) => row.exit_code === Number(status),
  failed_commands: (row) => (row.failed_commands ?? 0) > 0,
  failed: (row) => (row.exit_code ?? 0) !== 0 || row.signal !== null,
  status: (row, status) => row.status === status,
  active: (row) => row.status === "active",
  incomplete: (row) => row.status !== "ended",
  after: (row, text, now) => ms(row.start_time) >= timeOf(text, now),
  before: (row, text, now) => ms(row.start_time) < timeOf(text, now),
  at: (row, text, now) => wasIn(row, timeOf(text, now), timeOf(text, now)),
  during: (row, text: string, now) => {
    const [from, to] = text.split("..") as [string, string];
    return wasIn(
      row,
      from ? timeOf(from, now) : -Infinity,
      to ? timeOf(to, now) - 1 : Infinity,
    );
  },
  last: (row, text, now) => wasIn(row, now - lengthOf(text) * 1_000, Infinity),
  duration_greater: (row, text, now) => tookBy(row, now) > lengthOf(text),
  duration_less: (row, text, now) => tookBy(row, now) < lengthOf(text),
  ran: (row, text: string) =>
    row.last_command?.toLowerCase().includes(text.toLowerCase()) ?? false,
};

/** Values of each filter, most of them of some row. */
const VALUES: Record<
  keyof FilterArguments,
  (random: Random, row: SessionJson, now: number) => unknown
> = {
  reference: (random, { session_id }) =>
    random.pick([
      session_id,
      session_id.slice(0, random.int(3, 25)),
      session_id.slice(-8),
      "nobody",
    ]),
  type: (random, row) => random.pick([row.session_type, "nothing"]),
  component: (_, row) => row.component_name,
  user: (_, row) => row.username,
  host: (random, row) => random.pick([row.hostname, "' OR 1=1 --"]),
  name: (random, row) => row.name ?? random.pick(["deploy", ""]),
  reporter: (_, row) => row.reporter ?? "spool",
  attested: (_, row) => row.attested ?? "claimed",
  tag: (random, row) =>
    row.tags.length > 0 && random.chance(0.8)
      ? random.shuffled(row.tags).slice(0, random.int(1, 2))
      : ["prod", "nothing"].slice(0, random.int(1, 2)),
  cwd: (random, { working_directory }) =>
    random.pick([
      working_directory,
      `${working_directory}/`,
      working_directory.slice(0, working_directory.lastIndexOf("/")) || "/",
      working_directory.slice(0, -1),
      "/",
    ]),
  exit: (random, row) =>
    random.pick([row.exit_code ?? 0, `${row.exit_code ?? 1}`, 255]),
  failed: () => true,
  failed_commands: () => true,
  status: (_, row) => row.status,
  active: () => true,
  incomplete: () => true,
  after: typed,
  before: typed,
  at: typed,
  during: (random, row, now) => {
    const from = time(random, row, now);
    const to = time(random, row, now);
    const ends = from[1] < to[1] ? [from, to] : [to, from];
    const [a, b] = ends.map(([text]) => text);
    return random.pick(
      // One may be counted from now, which is later when it is read.
      ends[1]![1] - ends[0]![1] < 2_000
        ? [`${a}..`, `..${a}`]
        : [`${a}..${b}`, `${a}..${b}`, `${a}..`, `..${b}`],
    );
  },
  last: (random) => random.pick(["5h30m", "90m", "20h", "3600"]),
  duration_greater: length,
  duration_less: length,
  ran: (random, { last_command }) => {
    if (last_command === null) return "git";
    const from = random.int(0, last_command.length - 3);
    const text = last_command.slice(from, from + random.int(2, 6));
    return random.pick([text, text.toUpperCase(), "nothing"]);
  },
};

/** Of a session that lives on a test may not depend on a few seconds. */
function length(random: Random, row: SessionJson): string {
  if (row.end_time === null) return random.pick(["30m", "1h15m", "9000"]);
  const seconds = Math.floor(row.duration_seconds);
  return random.pick([
    `${seconds}`,
    `${Math.floor(seconds / 60)}m`,
    `${Math.floor(seconds / 3_600)}h${Math.floor(seconds / 60) % 60}m`,
  ]);
}

function typed(random: Random, row: SessionJson, now: number): string {
  return time(random, row, now)[0];
}

/** About the ends of a session, to the millisecond, as people and programs write it. */
function time(random: Random, row: SessionJson, now: number): Typed {
  const end = ms(row.end_time ?? row.start_time);
  const at = random.pick([ms(row.start_time), end]) + random.int(-1, 1);
  const iso = new Date(at).toISOString();
  const typed: string = random.pick([
    iso,
    iso.replace("T", " "),
    `@${at / 1_000}`,
    iso.replace(".", ",").replace("Z", "000000+00:00"),
    `${iso.slice(0, 19)}+00:00`,
    `-${random.int(1, 1_200)}m`,
  ]);
  return [typed, timeOf(typed, now)];
}

export const FILTER_NAMES = Object.keys(VALUES) as (keyof FilterArguments)[];

/** One filter alone. */
export function oneFilter(
  name: keyof FilterArguments,
  random: Random,
  rows: readonly SessionJson[],
  now: number,
): Asked {
  return { args: { [name]: VALUES[name](random, random.pick(rows), now) } };
}

/** Several, of which most fit one row, so that some are found. */
export function randomFilter(
  random: Random,
  rows: readonly SessionJson[],
  now: number,
): Asked {
  const row = random.pick(rows);
  const names = random.shuffled(FILTER_NAMES).slice(0, random.int(0, 4));
  const args: Record<string, unknown> = {};
  for (const name of names) {
    const of = random.chance(0.8) ? row : random.pick(rows);
    args[name] = VALUES[name](random, of, now);
  }
  return {
    args,
    ...(random.chance(0.3) && { reverse: true }),
    ...(random.chance(0.3) && { offset: random.int(0, 20) }),
    ...(random.chance(0.5) && { limit: random.int(1, 30) }),
  };
}
