/** Timeline: who was in when, a lane each; a click asks who was in at that moment. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useAnswer } from "./ask.ts";
import type { Span } from "./axis.ts";
import { Canvas } from "./canvas.tsx";
import { Filters, filtersIn } from "./filters.tsx";
import { GROUPS, type Bar, type Group, type Look, lanesOf } from "./lanes.ts";
import {
  Length,
  Outcome,
  SessionLink,
  State,
  Table,
  Text,
  Time,
  Typed,
  Who,
} from "./parts.tsx";
import { place, refine } from "./place.ts";
import { useReviewed } from "./reviewed.ts";
import type { Present } from "./types.ts";
import { isoLocal, localTime, plural, timeIn } from "./words.ts";

const DAY_MS = 86_400_000;
const SPANS = { "1": "day", "7": "week", "31": "month", "366": "year" };
const NAMES = ["user", "host", "component"] as const;
/** More would be a grey area; the filters are for that. */
const MOST = 50_000;

/** The span of the address; the last week where it says none. */
function spanIn({ from, to }: Readonly<Record<string, string>>): Span {
  const [begin, end] = [Date.parse(from ?? ""), Date.parse(to ?? "")];
  if (begin < end) return { from: begin, to: end };
  const now = Date.now();
  return { from: now - 7 * DAY_MS, to: now + 0.2 * DAY_MS };
}

export function Timeline() {
  const { query } = place.value;
  const [span, setSpan] = useState(() => spanIn(query));
  const written = useRef("");
  const asked = `${query["from"]} ${query["to"]}`;
  useEffect(() => {
    // From elsewhere: a link, or the way back.
    if (asked !== written.current) setSpan(spanIn(query));
  }, [asked]);
  const settle = (next: Span) => {
    setSpan(next);
    const [from, to] = [isoLocal(next.from), isoLocal(next.to)];
    written.current = `${from} ${to}`;
    refine({ from, to });
  };
  const filters = filtersIn(query, NAMES);
  const { bars, note, error } = useBars(span, filters);
  const group = (query["lanes"] ?? "user_host") as Group;
  const lanes = useMemo(
    () => lanesOf(around(bars, span), group),
    [bars, group, span],
  );
  const at = query["at"] ? Date.parse(query["at"]) : null;
  const middle = (span.from + span.to) / 2;
  return (
    <>
      <h1 tabIndex={-1}>Timeline</h1>
      <Filters names={NAMES} />
      <div class="filters" role="group" aria-label="What is in view">
        {Object.entries(SPANS).map(([days, name]) => (
          <button
            key={days}
            type="button"
            onClick={() => {
              const half = (Number(days) * DAY_MS) / 2;
              const now = Date.now();
              const end = Math.min(middle + half, now + half / 10);
              settle({ from: end - 2 * half, to: end });
            }}
          >
            {name}
          </button>
        ))}
        <button
          type="button"
          onClick={() => {
            const length = span.to - span.from;
            const to = Date.now() + length / 20;
            settle({ from: to - length, to });
          }}
        >
          now
        </button>
        <label>
          A lane each
          <select
            value={group}
            onInput={({ currentTarget: { value } }) => refine({ lanes: value })}
          >
            {Object.entries(GROUPS).map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <AtField at={at} />
      </div>
      {error !== null && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      {note !== null && <p class="soft">{note}</p>}
      <p role="status" class="soft">
        {localTime(span.from).slice(0, 16)} to {localTime(span.to).slice(0, 16)}
        , {plural(inSpan(bars, span).length, "session")}. Drag to move, drag the
        axis to zoom, click for who was in.
      </p>
      <p class="key" aria-hidden="true">
        {Object.entries(KEY).map(([look, name]) => (
          <span key={look} class={look}>
            {name}
          </span>
        ))}
      </p>
      <Canvas
        lanes={lanes}
        span={span}
        at={at}
        onSpan={settle}
        onPick={(moment) => refine({ at: isoLocal(moment) })}
      />
      {query["at"] && <WhoWasIn at={query["at"]} filters={filters} />}
    </>
  );
}

const KEY: Record<Look, string> = {
  ...{ well: "ended", failed: "failed", lost: "lost", active: "active" },
};

const inSpan = (bars: readonly Bar[], { from, to }: Span): readonly Bar[] =>
  bars.filter((bar) => bar.from <= to && (bar.to ?? Infinity) >= from);

/** A lane that is empty far and wide is none; what comes next when it is moved is there. */
function around(bars: readonly Bar[], { from, to }: Span): readonly Bar[] {
  const by = (to - from) / 20;
  return inSpan(bars, { from: from - by, to: to + by });
}

/** A moment can be typed as well, in words, too. */
function AtField({ at }: { at: number | null }) {
  const shown = at === null ? "" : localTime(at).slice(0, 16);
  const [typed, setTyped] = useState(shown);
  const [trouble, setTrouble] = useState<string | null>(null);
  useEffect(() => {
    setTyped(shown);
    setTrouble(null);
  }, [shown]);
  const ask = () => {
    try {
      refine({ at: typed.trim() === "" ? null : isoLocal(timeIn(typed)) });
      setTrouble(null);
    } catch (error) {
      setTrouble((error as Error).message);
    }
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        ask();
      }}
    >
      <label>
        Who was in at
        <input
          type="text"
          size={20}
          value={typed}
          placeholder="last tuesday 14:05"
          autoComplete="off"
          spellcheck={false}
          onInput={({ currentTarget: { value } }) => setTyped(value)}
          onChange={ask}
        />
      </label>
      {trouble !== null && (
        <p class="error" role="alert">
          {trouble}
        </p>
      )}
    </form>
  );
}

function WhoWasIn({
  at,
  filters,
}: {
  at: string;
  filters: Readonly<Record<string, string>>;
}) {
  const answer = useAnswer<{
    sessions: Present[];
    next_cursor: string | null;
  }>("who_at", { time: at, limit: 100, ...filters });
  const { data } = answer;
  const reviewed = useReviewed(
    data?.sessions.map(({ session_id }) => session_id) ?? [],
  );
  return (
    <section aria-label="Who was in">
      <h2>Who was in at {localTime(at)}</h2>
      <State of={answer} />
      {data && data.sessions.length === 0 && <p role="status">Nobody.</p>}
      {data && data.sessions.length > 0 && (
        <Table
          caption={plural(data.sessions.length, "session")}
          head={WAS_IN}
          rows={data.sessions.map((one) => ({
            key: one.session_id,
            cells: [
              <SessionLink
                id={one.session_id}
                seq={one.doing?.event_seq ?? null}
              >
                <Who of={one} />
              </SessionLink>,
              <Text>{one.name ?? one.component_name}</Text>,
              <Time at={one.start_time} />,
              <Length of={one} />,
              <Outcome of={one} />,
              one.doing && <Typed of={one.doing} />,
              one.failed.length > 0 && (
                <span class="number bad">{one.failed.length}</span>
              ),
              reviewed.has(one.session_id) && (
                <span class="outcome active">yes</span>
              ),
            ],
          }))}
        />
      )}
    </section>
  );
}

const WAS_IN = [
  ...["Who", "What", "Since", "Took", "How", "Last command"],
  ...["Failed around it", "Reviewed"],
];

interface Rows {
  rows: [
    ...[id: string, user: string, host: string, component: string],
    ...[from: number, to: number | null, status: string],
    ...[failed: boolean, failed_commands: number],
  ][];
  note: string | null;
}

/** Thousands of rows are not asked for at each command. */
const AGAIN_MS = 5_000;

/** Of the span in view and as much to either side, until one looks further. */
function useBars(span: Span, filters: Readonly<Record<string, string>>) {
  const held = useRef<Span>({ from: 0, to: 0 });
  const { from, to } = span;
  const length = to - from;
  const { current } = held;
  const enough =
    current.from <= from &&
    current.to >= to &&
    current.to - current.from < 8 * length;
  if (!enough) held.current = { from: from - length, to: to + length };
  const sql = sqlOf(held.current, filters);
  const { data, error } = useAnswer<Rows>(
    ...(["query_sessions", { sql, limit: MOST }, true, AGAIN_MS] as const),
  );
  const bars = useMemo(() => (data?.rows ?? []).map(barOf), [data]);
  return { bars, note: data?.note ?? null, error };
}

const COLUMNS = {
  ...{ user: "username", host: "hostname", component: "component_name" },
};

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
const utc = (ms: number) => quoted(new Date(ms).toISOString().slice(0, 23));

function sqlOf(
  { from, to }: Span,
  filters: Readonly<Record<string, string>>,
): string {
  const wanted = NAMES.flatMap((name) =>
    filters[name] ? [`${COLUMNS[name]} = ${quoted(filters[name])}`] : [],
  );
  const where = [
    `start_time <= TIMESTAMP ${utc(to)}`,
    `(end_time IS NULL OR end_time >= TIMESTAMP ${utc(from)})`,
    ...wanted,
  ];
  return `SELECT session_id, username, hostname, component_name,
      epoch_ms(start_time), epoch_ms(end_time), status,
      coalesce(exit_code <> 0, FALSE) OR signal IS NOT NULL,
      coalesce(failed_commands, 0)
    FROM sessions WHERE ${where.join(" AND ")}
    ORDER BY start_time DESC LIMIT ${MOST + 1}`;
}

function barOf(row: Rows["rows"][number]): Bar {
  const [session_id, username, hostname, component, from, to] = row;
  const [, , , , , , status, failed, failed_commands] = row;
  const ended = failed ? "failed" : "well";
  return {
    ...{ session_id, username, hostname, component },
    from: Number(from),
    to: to === null ? null : Number(to),
    look: status === "active" || status === "lost" ? status : ended,
    failed_commands: Number(failed_commands),
  };
}
