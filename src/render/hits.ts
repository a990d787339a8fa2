/** What a search finds: the columns of its table, for a person and for a program. */
import type { Hit } from "../model/search.ts";
import { escapeText } from "./escape.ts";
import { localSecond, localTime } from "./format.ts";
import type { Column } from "./table.ts";

const EXIT: Column<Hit> = {
  header: "EXIT",
  value: ({ exit_code }) => (exit_code === null ? "-" : String(exit_code)),
  drop: 4,
};

/** How far into a recording; never past the moment: 12.3. */
export const secondsInto = (recording_ms: number): string =>
  (Math.floor(recording_ms / 100) / 10).toFixed(1);

const columnsOf = (text: Column<Hit>): readonly Column<Hit>[] => [
  {
    header: "TIME",
    value: ({ time }, zone) => localTime(time, zone),
    person: ({ time }, zone) => localSecond(time, zone),
  },
  {
    header: "SESSION ID",
    value: ({ session_id }) => session_id,
    shrink: "id",
  },
  {
    header: "USER",
    value: ({ username }) => username ?? "-",
    ...{ shrink: "name", drop: 2 },
  },
  {
    header: "HOST",
    value: ({ hostname }) => hostname ?? "-",
    ...{ shrink: "name", drop: 1 },
  },
  EXIT,
  {
    header: "FIELD",
    value: ({ field, recording_ms }) =>
      recording_ms === null ? field : `${field}+${secondsInto(recording_ms)}s`,
    ...{ shrink: "name", drop: 3 },
  },
  text,
];

/** For a program: texts whole. */
export const HIT_COLUMNS = columnsOf({
  header: "TEXT",
  value: ({ text }) => text,
});

/** For a person: of a long text what is around the first match. */
export const HIT_EXCERPTS = columnsOf({
  header: "TEXT",
  value: excerpt,
  text: true,
  marks: ({ matches }) => matches.map(escapeText),
});

/** How much of a text stands before its first match. */
const BEFORE = 20;
/** More than any terminal shows. */
const MOST = 2_000;

function excerpt({ text, matches }: Hit): string {
  const at = Math.max(0, text.indexOf(matches[0] ?? ""));
  const line = text.lastIndexOf("\n", at) + 1;
  let from = at - line <= BEFORE * 2 ? line : at - BEFORE;
  // Not between the halves of a character.
  if (/[\udc00-\udfff]/.test(text[from] ?? "")) from--;
  const shown = text.slice(from, from + MOST);
  return from > 0 ? `…${shown}` : shown;
}
