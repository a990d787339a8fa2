/** Search: whatever was recorded with a text in it; without one, the sessions that match. */
import { Filters, filtersIn } from "./filters.tsx";
import { type Found, useFound } from "./found.ts";
import { Exit, SessionLink, State, Table, Text, Time, Who } from "./parts.tsx";
import { place } from "./place.ts";
import { useReviewed } from "./reviewed.ts";
import { Sessions } from "./sessions.tsx";
import type { Hit, Session } from "./types.ts";
import { plural, visible } from "./words.ts";

const HITS = ["Who", "When", "Found in", "Text", "Exit", "Reviewed"];
const NAMES = ["text", "user", "host", "component", "after", "before"] as const;
const FLAGS = { regex: "regular expression", unreviewed: "not reviewed" };
const LIMIT = 50;

export function Search() {
  const { query } = place.value;
  const filters = filtersIn(query, NAMES);
  const unreviewed = query["unreviewed"] === "1";
  const isText = filters["text"] !== undefined;
  const args = { ...filters, limit: LIMIT };
  const hits = useFound<Hit>(
    "search",
    "hits",
    isText ? { ...args, ...(query["regex"] && { regex: true }) } : null,
    unreviewed,
  );
  const sessions = useFound<Session>(
    "list_sessions",
    "sessions",
    isText ? null : args,
    unreviewed,
  );
  return (
    <>
      <h1 tabIndex={-1}>Search</h1>
      <Filters names={NAMES} flags={FLAGS} />
      {isText ? (
        <List of={hits} one="hit">
          {(rows) => <Hits rows={rows} />}
        </List>
      ) : (
        <>
          <p class="soft">
            A text is looked for in commands, what terminals showed, notes,
            names, reasons, tags and metadata. Without one, these are the
            sessions:
          </p>
          <List of={sessions} one="session">
            {(rows) => <Sessions caption="Sessions" sessions={rows} />}
          </List>
        </>
      )}
    </>
  );
}

function List<T>({
  of,
  one,
  children,
}: {
  of: Found<T>;
  one: string;
  children: (rows: readonly T[]) => preact.ComponentChildren;
}) {
  const { rows, error, waiting, more } = of;
  return (
    <>
      <State of={{ data: rows, error, waiting }} />
      {rows && (
        <p role="status">
          {rows.length === 0
            ? `No ${one} was found${more ? " among the newest" : ""}.`
            : `${plural(rows.length, one)}${more ? ", and there are more" : ""}, newest first.`}
        </p>
      )}
      {rows && rows.length > 0 && children(rows)}
      {more && (
        <p>
          <button type="button" onClick={more}>
            More
          </button>
        </p>
      )}
    </>
  );
}

function Hits({ rows }: { rows: readonly Hit[] }) {
  const reviewed = useReviewed([
    ...new Set(rows.map(({ session_id }) => session_id)),
  ]);
  return (
    <Table
      caption="Hits"
      head={HITS}
      rows={rows.map((hit, n) => ({
        key: String(n),
        cells: [
          <SessionLink
            id={hit.session_id}
            seq={hit.field === "command" ? hit.event_seq : null}
            at_ms={hit.recording_ms ?? null}
          >
            <Who of={hit} />
          </SessionLink>,
          <Time at={hit.time} />,
          <Text>{hit.field}</Text>,
          <code>
            <Marked hit={hit} />
          </code>,
          <Exit code={hit.exit_code} />,
          reviewed.has(hit.session_id) && (
            <span class="outcome active">yes</span>
          ),
        ],
      }))}
    />
  );
}

/** Around the first match, when the text is long. */
const BEFORE = 80;
const AROUND = 400;

/** Its text with what matches marked; of a long one the part around the first match. */
function Marked({ hit: { text, matches } }: { hit: Hit }) {
  const found = matches.filter((each) => each !== "");
  const first = found.length === 0 ? -1 : text.indexOf(found[0]!);
  const from = text.length > AROUND ? Math.max(0, first - BEFORE) : 0;
  const shown = text.slice(from, from + AROUND);
  const parts: (string | { match: string })[] = [];
  let at = 0;
  while (at < shown.length) {
    const next = found
      .map((match) => ({ match, at: shown.indexOf(match, at) }))
      .filter((each) => each.at >= 0)
      .sort((a, b) => a.at - b.at || b.match.length - a.match.length)[0];
    if (!next) break;
    parts.push(shown.slice(at, next.at), { match: next.match });
    at = next.at + next.match.length;
  }
  parts.push(shown.slice(at));
  return (
    <bdi>
      {from > 0 && "… "}
      {parts.map((part, n) =>
        typeof part === "string" ? (
          visible(part)
        ) : (
          <mark key={n}>{visible(part.match)}</mark>
        ),
      )}
      {from + AROUND < text.length && " …"}
    </bdi>
  );
}
