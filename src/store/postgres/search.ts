/**
 * Searches what was recorded, newest first, a page after the other. The database finds
 * what may match, by spans of time; what does is decided here, so that a search has
 * the same answer whichever store it is of.
 */
import { isoTime } from "../../model/clock.ts";
import { nobodyWaits } from "../../model/failure.ts";
import {
  type Hit,
  type HitPlace,
  type SearchFilter,
  type SearchedPlace,
  SEARCHED_PLACES,
  placeOfHit,
} from "../../model/search.ts";
import type { Patterns } from "../patterns.ts";
import type { Connection } from "./connect.ts";
import { Conditions, type Query, TIME, contains, equals } from "./filters.ts";
import { requiredText } from "./required.ts";
import { Spans } from "./spans.ts";
import { decoded, isMarked, jsonIn, small, timeOf } from "./text.ts";

const FIRST_ROWS = 256;
const MOST_ROWS = 8_192;
/** Of the texts of one page; a page after a larger one has fewer rows. */
const PAGE_CHARS = 4 * 1024 * 1024;
/** Of a text, as many matches are looked at, and as many told. */
const LOOKED_AT = 100;
const MATCHES = 10;

/**
 * The batches are numbered by the caller.
 * @param gone aborted when nobody waits any more
 * @throws Failure (refused) when the text is no regular expression
 */
export async function* search(
  connection: Connection,
  filter: SearchFilter,
  patterns: () => Promise<Patterns>,
  gone?: AbortSignal,
): AsyncGenerator<Hit> {
  const { regex, limit = Infinity } = filter;
  // As it is stored.
  const text = filter.text.toWellFormed();
  const engine = regex ? await patterns() : null;
  await engine?.require(text);
  const looked = filter.in ? [filter.in] : SEARCHED_PLACES;
  const spans = await Spans.of(connection, filter, looked);
  let { from: place } = filter;
  if (place) spans.from(Date.parse(place.time));
  let left = limit;
  let most = FIRST_ROWS;
  for (let span; left > 0 && (span = await spans.next());) {
    if (gone?.aborted) throw nobodyWaits();
    // Of those that may match few or all do.
    const rows = engine ? most : Math.min(most, left);
    const { sql, values } = hitsQuery(filter, looked, span, place, rows);
    const found = (await spans.ask<HitRow>(sql, values)).map(hitIn);
    const texts = found.map((hit) => hit.text);
    const matches = engine
      ? await engine.matches(text, texts, LOOKED_AT)
      : texts.map((each) => matchesIn(each, text));
    for (const [n, hit] of found.entries()) {
      const own = matches[n];
      if (!own || left === 0) continue;
      left--;
      yield { ...hit, matches: distinct(own) };
    }
    if (found.length < rows) continue;
    place = placeOfHit(found.at(-1)!);
    spans.cut(span, Date.parse(place.time));
    const chars = texts.reduce((sum, { length }) => sum + length, 0);
    most = chars > PAGE_CHARS ? Math.ceil(most / 4) : most * 2;
    most = Math.min(most, MOST_ROWS);
  }
}

/** What matches a text as it stands, upper and lower case alike. */
function matchesIn(text: string, wanted: string): string[] | null {
  if (!small(text).includes(small(wanted))) return null;
  const pattern = new RegExp(wanted.replace(SPECIAL, String.raw`\$&`), "giu");
  return [...text.matchAll(pattern)].slice(0, LOOKED_AT).map(([all]) => all);
}
const SPECIAL = /[\\^$.*+?()[\]{}|/]/g;

/** In the order of the text; a regular expression may match nothing at all. */
const distinct = (matches: readonly string[]): string[] =>
  [...new Set(matches.filter(Boolean))].slice(0, MATCHES);

interface HitRow {
  session_id: string;
  component_name: string | null;
  username: string | null;
  hostname: string | null;
  field: string;
  moment: Date;
  text: string;
  exit_code: number | null;
  seq: number;
  recording_ms: number | null;
}

function hitIn(row: HitRow): Omit<Hit, "matches"> {
  const { seq, recording_ms, exit_code } = row;
  const shown = recording_ms !== null;
  return {
    session_id: decoded(row.session_id),
    component_name: decoded(row.component_name),
    username: decoded(row.username),
    hostname: decoded(row.hostname),
    field: decoded(row.field),
    time: timeOf(row.moment),
    text: decoded(row.text),
    exit_code,
    event_seq: seq >= 0 && !shown ? seq : null,
    recording_ms,
    recording_line: shown ? seq : null,
  };
}

/** The texts of a session, each with the name of its field. */
const SESSION_TEXTS = `
  SELECT 'name' COLLATE "C" AS field, s.name AS text
  UNION ALL SELECT 'reason', s.reason
  UNION ALL SELECT 'tag', unnest(s.tags)
  UNION ALL SELECT 'metadata.' || m.key, m.value COLLATE "C"
    FROM json_each_text(${jsonIn("s.metadata")}) AS m`;

/** What is looked through: its rows, and how a row is told from the others. */
const SOURCES: Record<
  SearchedPlace,
  {
    from: string;
    id: string;
    moment: string;
    field: string;
    seq: string;
    text: string;
    exit_code?: string;
    recording_ms?: string;
  }
> = {
  commands: {
    from: `commands AS e JOIN batches AS b ON b.batch = e.batch
      AND b.seq IS NOT NULL`,
    ...{ id: "e.session_id", moment: "e.start_time", field: "'command'" },
    ...{ seq: "b.seq + e.ordinal", text: "e.text", exit_code: "e.exit_code" },
  },
  notes: {
    from: `notes AS e JOIN batches AS b ON b.batch = e.batch
      AND b.seq IS NOT NULL`,
    ...{ id: "e.session_id", moment: "e.timestamp", field: "'note'" },
    ...{ seq: "b.seq + e.ordinal", text: "e.text" },
  },
  output: {
    from: "output AS e",
    ...{ id: "e.session_id", moment: "e.timestamp", field: "'output'" },
    ...{ seq: "e.number::bigint", text: "e.text" },
    recording_ms: "e.recording_ms",
  },
  sessions: {
    from: `sessions AS s CROSS JOIN LATERAL (${SESSION_TEXTS}) AS e`,
    ...{ id: "s.session_id", moment: "s.start_time", field: "e.field" },
    ...{ seq: "-1::bigint", text: "e.text", exit_code: "s.exit_code" },
  },
};

const ORDER = "moment DESC, session_id, field, seq DESC";
/** A session may have several tags. */
const tagOf = (row: string) =>
  `CASE WHEN ${row}.field = 'tag' THEN ${row}.text END`;

function hitsQuery(
  filter: SearchFilter,
  places: readonly SearchedPlace[],
  [since_ms, until_ms]: readonly [number, number],
  place: HitPlace | undefined,
  rows: number,
): Query {
  const all = new Conditions();
  const [since, until] = [since_ms, until_ms].map((ms) =>
    TIME.replace("?", all.parameter(isoTime(ms))),
  );
  const wanted = filter.regex ? requiredText(filter.text) : filter.text;
  const text = wanted === null ? null : `${all.parameter(wanted)}::text`;
  const has = (column: string) =>
    text === null ? "true" : contains(column).replaceAll("?::text", text);
  const sessions = new Conditions(all.values);
  sessions.add(equals("s.username"), filter.user);
  sessions.add(equals("s.hostname"), filter.host);
  sessions.add(equals("s.component_name"), filter.component);
  const after = place && placeParameters(all, place);
  const limit = `${all.parameter(rows)}::bigint`;
  const found = places.map((name) => {
    const { from, id, moment, field, seq, ...value } = SOURCES[name];
    const some = [
      ...[`${moment} >= ${since}`, `${moment} < ${until}`, has(value.text)],
      `${value.text} IS NOT NULL`,
    ];
    if (name === "sessions") some.push(...sessions.all);
    else if (sessions.where)
      some.push(`${id} IN (SELECT s.session_id FROM sessions AS s
        ${sessions.where} AND s.start_time IS NOT NULL)`);
    if (name === "sessions" && text !== null && !filter.regex)
      some.push(likely(all, filter.text, has));
    if (after) some.push(afterPlace(after, moment, id, field, seq, value.text));
    return `(SELECT ${id} AS session_id, ${seq} AS seq, ${moment} AS moment,
        ${field} COLLATE "C" AS field, ${value.text} AS text,
        ${value.exit_code ?? "NULL"}::integer AS exit_code,
        ${value.recording_ms ?? "NULL"}::bigint AS recording_ms
      FROM ${from} WHERE ${some.join(" AND ")}
      ORDER BY ${ORDER}${name === "sessions" ? `, ${tagOf("e")}` : ""}
      LIMIT ${limit})`;
  });
  const sql = `
    SELECT p.session_id, s.component_name, s.username, s.hostname, p.field,
      p.moment, p.text, p.exit_code, p.seq::float8, p.recording_ms::float8
    FROM (SELECT * FROM (${found.join(" UNION ALL ")}) AS u
      ORDER BY ${ORDER}, ${tagOf("u")} LIMIT ${limit}) AS p
    LEFT JOIN sessions AS s ON s.session_id = p.session_id
      AND s.start_time IS NOT NULL
    ORDER BY p.moment DESC, p.session_id, p.field, p.seq DESC, ${tagOf("p")}`;
  return { sql, values: all.values };
}

/** Where one of these is not, the text is in none of a session's texts. */
function likely(
  all: Conditions,
  text: string,
  has: (column: string) => string,
): string {
  // It is not encoded in JSON as it is in texts.
  if (isMarked(text)) return "true";
  const within = ["s.metadata", "s.name", "s.reason"].map(has);
  within.push(has("array_to_string(s.tags, chr(10))"));
  // In JSON; what is within a value stands there once escaped the less.
  const escaped = JSON.stringify(text).slice(1, -1);
  if (escaped !== text)
    within.push(contains("s.metadata").replaceAll("?", all.parameter(escaped)));
  return `(${within.join(" OR ")})`;
}

function placeParameters(all: Conditions, place: HitPlace) {
  const { event_seq, recording_line } = place;
  return {
    time: TIME.replace("?", all.parameter(place.time)),
    id: `${all.parameter(place.session_id)}::text`,
    field: `${all.parameter(place.field)}::text`,
    seq: `${all.parameter(event_seq ?? recording_line ?? -1)}::bigint`,
    tag: place.text === undefined ? null : `${all.parameter(place.text)}::text`,
  };
}

const afterPlace = (
  place: ReturnType<typeof placeParameters>,
  ...[moment, id, field, seq, text]: [string, string, string, string, string]
) => `(${moment} < ${place.time} OR ${moment} = ${place.time} AND (
  ${id} > ${place.id} OR ${id} = ${place.id} AND (
  ${field} COLLATE "C" > ${place.field} OR
  ${field} COLLATE "C" = ${place.field} AND (${seq} < ${place.seq}
    ${place.tag ? `OR ${seq} = ${place.seq} AND ${text} > ${place.tag}` : ""}))))`;
