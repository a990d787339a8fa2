/** One session: its terminal, its commands, its facts, and what people said of it. */
import { Fragment } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { useAnswer } from "./ask.ts";
import { Commands } from "./commands.tsx";
import {
  Length,
  Outcome,
  SessionLink,
  State,
  Text,
  Time,
  Who,
} from "./parts.tsx";
import { place } from "./place.ts";
import { Playing } from "./playing.ts";
import { ReviewForm } from "./review-form.tsx";
import { Terminal, recordingOf } from "./terminal.tsx";
import type { Command, Said, Watch, WholeSession } from "./types.ts";

export function Session() {
  const { id } = place.value.query;
  const answer = useAnswer<WholeSession>(
    "get_session",
    id ? { session_id: id } : null,
    true,
  );
  const { data } = answer;
  return (
    <>
      <h1 tabIndex={-1}>
        {data ? (
          <>
            <Who of={data} />{" "}
            <span class="soft">
              <Text>{data.name ?? data.component_name}</Text>
            </span>
          </>
        ) : (
          "Session"
        )}
      </h1>
      {!id && <p>No session is named in the address.</p>}
      <State of={answer} />
      {data && <Whole key={data.session_id} of={data} />}
    </>
  );
}

function Whole({ of }: { of: WholeSession }) {
  const { session_id } = of;
  const playing = useMemo(() => new Playing(session_id), [session_id]);
  useEffect(() => () => playing.end(), [playing]);
  const recording = recordingOf(of);
  const isRecorded = recording !== "none";
  const pick = (command: Command) => {
    // Where nobody knows of one, none is asked for unasked.
    const isThere = typeof recording === "object" || playing.isOpen;
    if (isThere) void playing.openAt(Date.parse(command.start_time));
  };
  const commands = <Commands of={of} playing={playing} onPick={pick} />;
  const facts = (
    <>
      <Facts of={of} />
      <ReviewForm of={of} />
      <Sayings title="Notes" all={of.notes} />
      <Sayings title="Remarks of others" all={of.remarks} />
      <Watches all={of.watches} />
    </>
  );
  if (!isRecorded)
    return (
      <div class="pair">
        <div class="side">{facts}</div>
        <div>
          <Terminal of={of} playing={playing} />
          {commands}
        </div>
      </div>
    );
  return (
    <>
      <div class="watched">
        <Terminal of={of} playing={playing} />
        {commands}
      </div>
      <div class="under">{facts}</div>
    </>
  );
}

function Facts({ of }: { of: WholeSession }) {
  const facts: [string, preact.ComponentChildren][] = [
    ["How", <Outcome of={of} />],
    ["Began", <Time at={of.start_time} />],
    ["Ended", of.end_time && <Time at={of.end_time} />],
    ["Took", <Length of={of} />],
    ["Why", of.reason && <Text>{of.reason}</Text>],
    [
      "Tags",
      of.tags.length > 0 &&
        of.tags.map((tag) => (
          <span key={tag} class="tag">
            <Text>{tag}</Text>
          </span>
        )),
    ],
    ["Shell", <Text>{of.shell_type}</Text>],
    ["Folder", <Text>{of.working_directory}</Text>],
    ["Terminal", of.tty && <Text>{of.tty}</Text>],
    [
      "Parent",
      of.parent_session_id && (
        <SessionLink id={of.parent_session_id}>
          <Text>{of.parent_session_id}</Text>
        </SessionLink>
      ),
    ],
    ["Reported by", of.reporter && <Text>{of.reporter}</Text>],
    ["Attested", of.attested && <Text>{of.attested}</Text>],
    ["Last seen", of.status === "ended" ? null : <Time at={of.last_seen} />],
    ["Id", <Text>{of.session_id}</Text>],
  ];
  const measured = Object.entries(of.metadata).flatMap(
    ([name, value]): [string, preact.ComponentChildren][] =>
      value === null || isEmpty(value)
        ? []
        : [
            [
              name,
              <Text>
                {typeof value === "string" ? value : JSON.stringify(value)}
              </Text>,
            ],
          ],
  );
  return (
    <section class="card" aria-label="Facts">
      <Pairs of={facts} />
      {measured.length > 0 && (
        <details>
          <summary>Metadata</summary>
          <Pairs of={measured} />
        </details>
      )}
    </section>
  );
}

const isEmpty = (value: unknown) => Array.isArray(value) && value.length === 0;

const Pairs = ({
  of,
}: {
  of: readonly [string, preact.ComponentChildren][];
}) => (
  <dl class="facts">
    {of.map(([name, value]) =>
      value ? (
        <Fragment key={name}>
          <dt>
            <Text>{name}</Text>
          </dt>
          <dd>{value}</dd>
        </Fragment>
      ) : null,
    )}
  </dl>
);

const Sayings = ({ title, all }: { title: string; all: readonly Said[] }) =>
  all.length === 0 ? null : (
    <section class="card" aria-label={title}>
      <h2>{title}</h2>
      <ul class="said">
        {all.map(
          ({ reporter, timestamp, note, name, add_tags, remove_tags }, n) => (
            <li key={n}>
              <p>
                <Text>
                  {[
                    note,
                    name && `named: ${name}`,
                    add_tags && `+ ${add_tags.join(", ")}`,
                    remove_tags && `− ${remove_tags.join(", ")}`,
                  ]
                    .filter(Boolean)
                    .join("; ")}
                </Text>
              </p>
              <p class="soft">
                <Text>{reporter}</Text>, <Time at={timestamp} />
              </p>
            </li>
          ),
        )}
      </ul>
    </section>
  );

/** Who has looked at its recording, the last first. */
const Watches = ({ all }: { all: readonly Watch[] }) =>
  all.length === 0 ? null : (
    <section class="card" aria-label="Watched by">
      <h2>Watched by</h2>
      <ul class="said">
        {all
          .toReversed()
          .map(({ watcher, address, start_time, end_time, said_by }, n) => (
            <li key={n}>
              <p>
                <Text>{watcher}</Text>
                {address !== null && (
                  <span class="soft">
                    {" "}
                    from <Text>{address}</Text>
                  </span>
                )}
              </p>
              <p class="soft">
                <Time at={start_time} />
                {end_time === null ? (
                  ", still watching"
                ) : (
                  <>
                    {" "}
                    to <Time at={end_time} />
                  </>
                )}
                {said_by !== null && (
                  <>
                    , as <Text>{said_by}</Text> says
                  </>
                )}
              </p>
            </li>
          ))}
      </ul>
    </section>
  );
