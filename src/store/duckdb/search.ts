/**
 * Searches what was recorded, newest first. Time is walked through backwards in
 * spans: they are short where much matches and grow where little does, so that the
 * first rows come soon and no more than a page is ever held.
 */
import { listValue } from "@duckdb/node-api";
import { isoTime } from "../../model/clock.ts";
import {
  type Hit,
  type HitPlace,
  type SearchFilter,
  type SearchedPlace,
  placeOfHit,
} from "../../model/search.ts";
import { type Starts, endsQuery } from "./commands.ts";
import type { Database } from "./database.ts";
import { requirePattern } from "./patterns.ts";
import { Conditions, type Query, contains } from "./queries.ts";
import { FIRST_SPAN_MS, LEAST_SPAN_MS, LONGER, bounds } from "./spans.ts";
import { time } from "./statements.ts";

const FIRST_ROWS = 256;
const MOST_ROWS = 8_192;
/** Of the texts of one page; a page after a larger one has fewer rows. */
const PAGE_CHARS = 4 * 1024 * 1024;
/** Of a text, as many matches are looked at, and as many told. */
const LOOKED_AT = 100;
const MATCHES = 10;

type Ask = Database["ask"];

/** @throws Failure (refused) when the text is no regular expression */
export async function* search(
  ask: Ask,
  filter: SearchFilter,
): AsyncGenerator<Hit> {
  const pattern = await patternOf(ask, filter);
  const [first, last] = await bounds(ask, filter, true);
  let { from: place, limit: left = Infinity } = filter;
  let until_ms = place ? Math.min(last, Date.parse(place.time) + 1) : last;
  let span_ms = FIRST_SPAN_MS;
  let most = FIRST_ROWS;
  while (until_ms > first && left > 0) {
    const since_ms = Math.max(first, until_ms - span_ms);
    const rows = Math.min(most, left);
    const query = hitsQuery(filter, pattern, since_ms, until_ms, place, rows);
    const found = await ask<HitRow>(query.sql, query.values);
    yield* withExits(ask, found);
    left -= found.length;
    if (found.length < rows) {
      until_ms = since_ms;
      span_ms *= LONGER;
      continue;
    }
    place = placeOfHit(found.at(-1)!);
    const seen_ms = Date.parse(place.time);
    span_ms = Math.max(LEAST_SPAN_MS, (until_ms - seen_ms) * 2);
    until_ms = seen_ms + 1;
    const chars = found.reduce((sum, { text }) => sum + text.length, 0);
    most = chars > PAGE_CHARS ? Math.ceil(most / 4) : most * 2;
    most = Math.min(most, MOST_ROWS);
  }
}

/** What RE2 finds all matches with; that it is one is found out before. */
async function patternOf(
  ask: Ask,
  { text, regex }: SearchFilter,
): Promise<string> {
  if (!regex) {
    const sql = "SELECT '(?i)' || regexp_escape($1) AS value";
    return (await ask<{ value: string }>(sql, [text]))[0]!.value;
  }
  await requirePattern(ask, text);
  return text;
}

type HitRow = Omit<Hit, "matches"> & {
  /** JSON. */
  matches: string;
  /** Of its session; null while it has none. */
  end_time: string | null;
};

/** The texts of a session, each with the name of its field. */
const SESSION_TEXTS = `
  list_concat(
    [{field: 'name', text: s.name}, {field: 'reason', text: s.reason}],
    list_transform(s.tags, lambda tag: {field: 'tag', text: tag}),
    list_transform(
      list_zip(json_keys(s.metadata), json_extract_string(s.metadata, '$.*')),
      lambda pair: {field: 'metadata.' || pair[1], text: pair[2]}))`;

const ORDER = "moment DESC, session_id, field, seq DESC";
/** A session may have several tags. */
const tagOf = (row: string) =>
  `CASE WHEN ${row}.field = 'tag' THEN ${row}.text END`;

function hitsQuery(
  filter: SearchFilter,
  pattern: string,
  since_ms: number,
  until_ms: number,
  place: HitPlace | undefined,
  rows: number,
): Query {
  const { text, regex, user, host, component } = filter;
  const looksIn = (...places: SearchedPlace[]) =>
    filter.in === undefined || places.includes(filter.in);
  const all = new Conditions();
  const [since, until, wanted, found] = [
    ...[isoTime(since_ms), isoTime(until_ms), text, pattern],
  ].map((value) => all.parameter(value));
  const within = (column: string) =>
    `${column} >= ${since}::TIMESTAMP AND ${column} < ${until}::TIMESTAMP`;
  const matches = (column: string) =>
    regex
      ? `regexp_matches(${column}, ${wanted})`
      : contains(column).replace("?", wanted!);
  // Where one of these is not, the text is in none of a session's texts.
  const likely = () => {
    const within = ["s.metadata", "s.name", "s.reason"].map(matches);
    within.push(matches("array_to_string(s.tags, chr(10))"));
    // In JSON; what is within a value stands there once escaped the less.
    const escaped = JSON.stringify(text).slice(1, -1);
    if (escaped !== text)
      within.push(contains("s.metadata").replace("?", all.parameter(escaped)));
    return `(${within.join(" OR ")})`;
  };
  const sessions = new Conditions(all.values);
  sessions.add("s.username = ?", user);
  sessions.add("s.hostname = ?", host);
  sessions.add("s.component_name = ?", component);
  const of =
    sessions.where &&
    `AND e.session_id IN
    (SELECT s.session_id FROM all_sessions AS s ${sessions.where})`;
  const kind = { commands: "command_start", notes: "annotation" }[
    filter.in as string
  ];
  const after = place && afterPlace(all, place);
  const sql = `
    WITH told AS (
      SELECT e.session_id, e.seq, e.timestamp AS moment,
        CASE e.kind WHEN 'command_start' THEN 'command' ELSE 'note' END AS field,
        e.text
      FROM event_columns AS e
      WHERE ${looksIn("commands", "notes")} AND ${within("e.timestamp")}
        ${kind ? `AND e.kind = '${kind}'` : ""} AND ${matches("e.text")} ${of}),
    shown AS (
      SELECT e.session_id, e.number AS seq, e.timestamp AS moment,
        'output' AS field, e.text, e.recording_ms
      FROM output AS e
      WHERE ${looksIn("output")} AND ${within("e.timestamp")}
        AND ${matches("e.text")} ${of}),
    said AS (
      SELECT s.session_id, -1 AS seq, s.start_time AS moment, s.text.field AS field,
        s.text.text AS text
      FROM (SELECT s.session_id, s.start_time, unnest(${SESSION_TEXTS}) AS text
        FROM all_sessions AS s ${sessions.where || "WHERE true"}
          AND ${looksIn("sessions")} AND ${within("s.start_time")} AND ${regex ? "true" : likely()}) AS s
      WHERE ${matches("s.text.text")}),
    picked AS (
      SELECT * FROM (FROM told UNION ALL BY NAME FROM said
        UNION ALL BY NAME FROM shown) AS u
      ${after ? `WHERE ${after}` : ""} ORDER BY ${ORDER}, ${tagOf("u")}
      LIMIT ${all.parameter(rows)})
    SELECT p.session_id, s.component_name, s.username, s.hostname, p.field,
      ${time("p.moment", "time")}, p.text,
      to_json(regexp_extract_all(p.text, ${found})[:${LOOKED_AT}])::VARCHAR AS matches,
      CASE WHEN p.seq < 0 THEN s.exit_code END AS exit_code,
      CASE WHEN p.seq >= 0 AND p.recording_ms IS NULL
        THEN p.seq::DOUBLE END AS event_seq,
      p.recording_ms::DOUBLE AS recording_ms,
      CASE WHEN p.recording_ms IS NOT NULL THEN p.seq::DOUBLE END AS recording_line,
      ${time("s.end_time", "end_time")}
    FROM picked AS p LEFT JOIN (SELECT * FROM all_sessions
      WHERE session_id IN (SELECT session_id FROM picked)) AS s
      ON s.session_id = p.session_id
    ORDER BY p.moment DESC, p.session_id, p.field, p.seq DESC, ${tagOf("p")}`;
  return { sql, values: all.values };
}

function afterPlace(all: Conditions, place: HitPlace): string {
  const [time, id, field, seq] = [
    all.parameter(place.time),
    all.parameter(place.session_id),
    all.parameter(place.field),
    all.parameter(BigInt(place.event_seq ?? place.recording_line ?? -1)),
  ];
  const tag =
    place.text === undefined
      ? ""
      : `OR seq = ${seq}::BIGINT AND text > ${all.parameter(place.text)}`;
  return `(moment < ${time}::TIMESTAMP OR moment = ${time}::TIMESTAMP AND (
    session_id > ${id} OR session_id = ${id} AND (
    field > ${field} OR field = ${field} AND (seq < ${seq}::BIGINT ${tag}))))`;
}

/** The hits of a page, with the exit statuses of the commands among them. */
async function* withExits(
  ask: Ask,
  rows: readonly HitRow[],
): AsyncGenerator<Hit> {
  const commands = rows.filter(({ field }) => field === "command");
  const exits = new Map<number, number | null>();
  if (commands.length > 0) {
    const { sql, values } = endsQuery(startsOf(commands));
    type End = { seq: number; exit_code: number | null };
    for (const { seq, exit_code } of await ask<End>(sql, values))
      exits.set(seq, exit_code);
  }
  for (const { end_time: _, matches, ...row } of rows)
    yield {
      ...row,
      matches: distinct(JSON.parse(matches) as string[]),
      exit_code:
        row.field === "command"
          ? (exits.get(row.event_seq!) ?? null)
          : row.exit_code,
    };
}

/** In the order of the text; a regular expression may match nothing at all. */
const distinct = (matches: readonly string[]): string[] =>
  [...new Set(matches.filter(Boolean))].slice(0, MATCHES);

function startsOf(commands: readonly HitRow[]): Starts {
  const ends = commands.map(({ end_time }) => end_time);
  return {
    seqs: listValue(commands.map(({ event_seq }) => BigInt(event_seq!))),
    session_ids: listValue([
      ...new Set(commands.map(({ session_id }) => session_id)),
    ]),
    since: commands.at(-1)!.time,
    until: ends.includes(null) ? null : (ends as string[]).sort().at(-1)!,
  };
}
