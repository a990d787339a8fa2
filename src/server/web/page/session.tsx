/** One session: its facts, what people said of it, and its commands in order. */
import { Fragment } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { access, posted } from "./access.ts";
import { ask, useAnswer } from "./ask.ts";
import {
  Exit,
  Length,
  Outcome,
  SessionLink,
  State,
  Text,
  Time,
  Typed,
  Who,
} from "./parts.tsx";
import { hrefOf, place, refine } from "./place.ts";
import { reviewOf } from "./review.ts";
import type { Command, Said, WholeSession } from "./types.ts";
import { duration, localTime, plural } from "./words.ts";

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
      {data && (
        <div class="pair">
          <div class="side">
            <Facts of={data} />
            <Review of={data} />
            <Sayings title="Notes" all={data.notes} />
            <Sayings title="Remarks of others" all={data.remarks} />
          </div>
          {/* The picture of the terminal belongs here, above the commands: it seeks
              to the command that the address names, and names the one that plays. */}
          <Commands key={data.session_id} of={data} />
        </div>
      )}
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

/** Whether somebody has looked it through, who and when. */
function Review({ of }: { of: WholeSession }) {
  const [trouble, setTrouble] = useState<string | null>(null);
  const [note, setNote] = useState("");
  const review = reviewOf(of);
  const mark = (reviewed: boolean) =>
    posted("/web/review", {
      ...{ session_id: of.session_id, reviewed },
      ...(note.trim() !== "" && { note }),
    }).then(
      () => {
        setTrouble(null);
        setNote("");
      },
      ({ message }: Error) => setTrouble(message),
    );
  return (
    <section class="card" aria-label="Review">
      <p role="status">
        {review ? (
          <>
            Reviewed by <Text>{review.by}</Text>, <Time at={review.at} />
          </>
        ) : (
          "Nobody has marked it as reviewed."
        )}
      </p>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          void mark(!review);
        }}
      >
        <label class="grow">
          With a note
          <input
            value={note}
            autoComplete="off"
            onInput={({ currentTarget }) => setNote(currentTarget.value)}
          />
        </label>
        <button type="submit">
          {review ? "Take the mark away" : "Mark as reviewed"}
        </button>
      </form>
      {access.value?.subject && (
        <span class="soft">
          as <Text>{access.value.subject}</Text>
        </span>
      )}
      {trouble !== null && (
        <p class="error" role="alert">
          {trouble}
        </p>
      )}
    </section>
  );
}

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

interface Page {
  commands: Command[];
  next_cursor: string | null;
}

/** In the order in which they were typed; the one of the address is in view. */
function Commands({ of }: { of: WholeSession }) {
  const { query } = place.value;
  const [earlier, setEarlier] = useState<Command[]>([]);
  const [trouble, setTrouble] = useState<string | null>(null);
  const current = useRef<HTMLAnchorElement>(null);
  const failed = query["failed"] === "1";
  const all = [...earlier, ...of.commands];
  const shown = failed ? all.filter(({ exit_code }) => exit_code) : all;
  const missing = (of.command_count ?? 0) - all.length;
  useEffect(() => {
    current.current?.scrollIntoView({ block: "center" });
  }, [query["command"]]);
  const fetchEarlier = async () => {
    try {
      const { session_id } = of;
      const found: Command[] = [];
      let cursor: string | null = null;
      do {
        const page: Page = await ask("list_commands", {
          ...{ session_id, limit: 5_000 },
          ...(cursor !== null && { cursor }),
        });
        found.push(...page.commands);
        cursor = page.next_cursor;
      } while (cursor !== null);
      const known = new Set(of.commands.map(({ event_seq }) => event_seq));
      setEarlier(
        found.filter(({ event_seq }) => !known.has(event_seq)).reverse(),
      );
    } catch (error) {
      setTrouble((error as Error).message);
    }
  };
  return (
    <section aria-label="Commands">
      <div class="filters">
        <span>
          {plural(of.command_count ?? 0, "command")}
          {of.failed_commands ? `, ${of.failed_commands} failed` : ""}
        </span>
        <label class="check">
          <input
            type="checkbox"
            checked={failed}
            onInput={({ currentTarget: { checked } }) =>
              refine({ failed: checked ? "1" : null })
            }
          />
          failed alone
        </label>
        {missing > 0 && (
          <button type="button" onClick={() => void fetchEarlier()}>
            {plural(missing, "earlier command")}
          </button>
        )}
      </div>
      {trouble !== null && (
        <p class="error" role="alert">
          {trouble}
        </p>
      )}
      {shown.length > 0 && (
        <ol class="commands" onKeyDown={walk}>
          {shown.map((command, n) => {
            const day = dayOf(command);
            const isNewDay = n === 0 || day !== dayOf(shown[n - 1]!);
            const seq = String(command.event_seq);
            const isCurrent = query["command"] === seq;
            return (
              <li key={seq}>
                {isNewDay && <p class="day">{day}</p>}
                <a
                  href={hrefOf("session", { ...query, command: seq })}
                  aria-current={isCurrent ? "true" : undefined}
                  ref={isCurrent ? current : undefined}
                  title={command.cwd ?? undefined}
                >
                  <time dateTime={command.start_time}>
                    {localTime(command.start_time).slice(11)}
                  </time>
                  <Typed of={command} />
                  <span class="number soft">
                    {command.end_time === null && of.status === "active"
                      ? "running"
                      : duration(command.duration_seconds)}
                  </span>
                  <Exit code={command.exit_code} />
                </a>
              </li>
            );
          })}
        </ol>
      )}
    </section>
  );
}

const dayOf = ({ start_time }: Command) => localTime(start_time).slice(0, 10);

/** Up and down go from command to command. */
function walk(event: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const list = event.currentTarget as HTMLElement;
  const links = [...list.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement as HTMLAnchorElement);
  if (step === undefined || at < 0) return;
  event.preventDefault();
  links[at + step]?.focus();
}
