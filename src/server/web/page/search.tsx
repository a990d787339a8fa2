/** Search: whatever was recorded with a text in it; a hit leads to its place in its session. */
import { useEffect, useState } from "preact/hooks";
import { ask, useAnswer } from "./ask.ts";
import { Filters, filtersIn } from "./filters.tsx";
import { Exit, SessionLink, State, Table, Text, Time, Who } from "./parts.tsx";
import { place } from "./place.ts";
import type { Hit } from "./types.ts";
import { plural, visible } from "./words.ts";

interface Hits {
  hits: Hit[];
  next_cursor: string | null;
}

const HITS = ["Who", "When", "Where in it", "Text", "Exit"];
const NAMES = ["text", "user", "host", "component", "after", "before"] as const;

export function Search() {
  const { query } = place.value;
  const filters = filtersIn(query, NAMES);
  const args =
    filters["text"] === undefined
      ? null
      : { ...filters, ...(query["regex"] && { regex: true }), limit: 50 };
  const first = useAnswer<Hits>("search", args);
  const [more, setMore] = useState<Hits | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  useEffect(() => {
    setMore(null);
    setTrouble(null);
  }, [first.data]);
  const hits = [...(first.data?.hits ?? []), ...(more?.hits ?? [])];
  const cursor = (more ?? first.data)?.next_cursor ?? null;
  const next = () =>
    ask<Hits>("search", { ...args, cursor }).then(
      ({ hits, next_cursor }) =>
        setMore({ hits: [...(more?.hits ?? []), ...hits], next_cursor }),
      ({ message }: Error) => setTrouble(message),
    );
  return (
    <>
      <h1 tabIndex={-1}>Search</h1>
      <Filters names={NAMES} flags={{ regex: "regular expression" }} />
      <State of={first} />
      {trouble !== null && (
        <p class="error" role="alert">
          {trouble}
        </p>
      )}
      {args === null && (
        <p class="soft">
          Looks through commands, notes, names, reasons, tags and metadata.
        </p>
      )}
      {first.data && (
        <p role="status">
          {hits.length === 0
            ? "Nothing was found."
            : `${plural(hits.length, "hit")}${cursor === null ? "" : ", and there are more"}, newest first.`}
        </p>
      )}
      {hits.length > 0 && (
        <Table
          caption="Hits"
          head={HITS}
          rows={hits.map((hit) => ({
            key: `${hit.session_id} ${hit.field} ${hit.event_seq}`,
            cells: [
              <SessionLink
                id={hit.session_id}
                seq={hit.field === "command" ? hit.event_seq : null}
              >
                <Who of={hit} />
              </SessionLink>,
              <Time at={hit.time} />,
              <Text>{hit.field}</Text>,
              <code>
                <Marked hit={hit} />
              </code>,
              <Exit code={hit.exit_code} />,
            ],
          }))}
        />
      )}
      {cursor !== null && (
        <p>
          <button type="button" onClick={() => void next()}>
            More
          </button>
        </p>
      )}
    </>
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
