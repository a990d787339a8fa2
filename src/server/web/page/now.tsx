/** Now: who is in, since when, and doing what; and who was in last. */
import { useAnswer } from "./ask.ts";
import {
  Exit,
  Length,
  SessionLink,
  State,
  Table,
  Time,
  Typed,
  Who,
} from "./parts.tsx";
import { Sessions, What } from "./sessions.tsx";
import type { Command, Present, Session } from "./types.ts";
import { plural } from "./words.ts";

const MOST = 100;
const LATELY = 20;

export function Now() {
  const present = useAnswer<{
    sessions: Present[];
    next_cursor: string | null;
  }>("who_at", { around: "1h", limit: MOST }, true);
  const lately = useAnswer<{ sessions: Session[] }>(
    "list_sessions",
    { limit: LATELY, status: "ended" },
    true,
  );
  const { data } = present;
  return (
    <>
      <h1 tabIndex={-1}>Now</h1>
      <State of={present} />
      {data && (
        <p role="status">
          {data.sessions.length === 0
            ? "Nobody is in."
            : `${plural(data.sessions.length, "session")}${data.next_cursor ? " and more" : ""} in.`}
        </p>
      )}
      {data && data.sessions.length > 0 && (
        <Table
          caption="Who is in"
          head={IN}
          rows={data.sessions.map((one) => ({
            key: one.session_id,
            cells: [
              <SessionLink id={one.session_id}>
                <Who of={one} />
              </SessionLink>,
              <What of={one} />,
              <Time at={one.start_time} />,
              <Length of={one} />,
              one.doing && <Typed of={one.doing} />,
              one.doing && <Ended of={one.doing} />,
              one.failed.length > 0 && (
                <span class="number bad">{one.failed.length}</span>
              ),
            ],
          }))}
        />
      )}
      <h2>Lately</h2>
      <State of={lately} />
      {lately.data && (
        <Sessions
          caption="Ended, the latest begun first"
          sessions={lately.data.sessions}
        />
      )}
    </>
  );
}

const IN = [
  ...["Who", "What", "Since", "For", "Last command", "Exit"],
  "Failed in the last hour",
];

const Ended = ({ of: { end_time, exit_code } }: { of: Command }) =>
  end_time === null ? (
    <span class="outcome active">running</span>
  ) : (
    <Exit code={exit_code} />
  );
