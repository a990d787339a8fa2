/** A list of sessions, with those marked that somebody has reviewed. */
import {
  Length,
  Outcome,
  SessionLink,
  Table,
  Text,
  Time,
  Who,
} from "./parts.tsx";
import { useReviewed } from "./reviewed.ts";
import type { Session } from "./types.ts";

const ENDED = [
  ...["Who", "What", "Began", "Took", "How", "Commands", "Last command"],
  "Reviewed",
];

export const What = ({
  of: { name, component_name, reason },
}: {
  of: Session;
}) => (
  <>
    <Text>{name ?? component_name}</Text>
    {reason && (
      <span class="soft">
        {" "}
        <Text>{reason}</Text>
      </span>
    )}
  </>
);

export const Sessions = ({
  caption,
  sessions,
}: {
  caption: string;
  sessions: readonly Session[];
}) => {
  const reviewed = useReviewed(sessions.map(({ session_id }) => session_id));
  return (
    <Table
      caption={caption}
      head={ENDED}
      rows={sessions.map((one) => ({
        key: one.session_id,
        cells: [
          <SessionLink id={one.session_id}>
            <Who of={one} />
          </SessionLink>,
          <What of={one} />,
          <Time at={one.start_time} />,
          <Length of={one} />,
          <Outcome of={one} />,
          one.command_count !== null && (
            <span class="number">
              {one.command_count}
              {one.failed_commands ? (
                <>
                  , <span class="bad">{one.failed_commands} failed</span>
                </>
              ) : null}
            </span>
          ),
          one.last_command && (
            <code>
              <Text>{one.last_command}</Text>
            </code>
          ),
          reviewed.has(one.session_id) && (
            <span class="outcome active">yes</span>
          ),
        ],
      }))}
    />
  );
};
