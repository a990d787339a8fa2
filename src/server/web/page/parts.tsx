/** Small pieces that several views show. */
import type { ComponentChildren } from "preact";
import type { Answer } from "./ask.ts";
import { clock } from "./live.ts";
import { hrefOf } from "./place.ts";
import type { Command, Session } from "./types.ts";
import { duration, localTime, visible } from "./words.ts";

/** Recorded text: never markup, and nothing that hides in it. */
export const Text = ({ children }: { children: string | null | undefined }) => (
  <bdi>{visible(children ?? "")}</bdi>
);

/** A moment by the reader's clock; UTC stands behind it. */
export const Time = ({ at }: { at: string }) => (
  <time dateTime={at} title={`${at} (UTC)`}>
    {localTime(at)}
  </time>
);

export const outcomeOf = ({
  status,
  exit_code,
  signal,
}: Pick<Session, "status" | "exit_code" | "signal">): [string, string] => {
  if (status === "active") return ["active", "active"];
  if (status === "lost") return ["lost", "lost"];
  if (signal !== null) return ["failed", signal];
  if (exit_code === null) return ["well", "ended"];
  return [exit_code === 0 ? "well" : "failed", `exit ${exit_code}`];
};

export function Outcome({ of }: { of: Session }) {
  const [look, word] = outcomeOf(of);
  return (
    <span class={`outcome ${look}`}>
      <Text>{word}</Text>
    </span>
  );
}

/** How long it took, or takes: then it ticks. */
export const Length = ({ of }: { of: Session }) => (
  <span class="number">
    {of.status === "active"
      ? duration((clock.value - Date.parse(of.start_time)) / 1_000)
      : duration(of.duration_seconds)}
  </span>
);

export const Who = ({
  of: { username, hostname },
}: {
  of: { username: string | null; hostname: string | null };
}) => (
  <span>
    <Text>{username}</Text>
    <span class="soft">@</span>
    <Text>{hostname}</Text>
  </span>
);

/** @param at_ms of its recording, which opens there */
export const SessionLink = ({
  id,
  seq,
  at_ms,
  children,
}: {
  id: string;
  seq?: number | null;
  at_ms?: number | null;
  children: ComponentChildren;
}) => {
  const t = at_ms === null || at_ms === undefined ? null : at_ms / 1_000;
  return <a href={hrefOf("session", { id, command: seq, t })}>{children}</a>;
};

/** Whatever was typed, on one line. */
export function Typed({ of }: { of: Command }) {
  const { text, mark } = of;
  if (text === null) return <em class="soft">{mark ?? "withheld"}</em>;
  return (
    <code>
      <Text>{text}</Text>
    </code>
  );
}

export const Exit = ({ code }: { code: number | null }) =>
  code === null ? (
    <span class="soft">–</span>
  ) : (
    <span class={code === 0 ? "number soft" : "number bad"}>{code}</span>
  );

/** What stands there while there is nothing to show. */
export function State<T>({ of: { data, error, waiting } }: { of: Answer<T> }) {
  if (error !== null)
    return (
      <p class="error" role="alert">
        {error}
      </p>
    );
  return data === null && waiting ? <p class="soft">asking…</p> : null;
}

export interface Row {
  key: string;
  /** The first says what the row is of. */
  cells: readonly ComponentChildren[];
}

const isNothing = (cell: ComponentChildren) =>
  cell === null || cell === undefined || cell === false || cell === "";

/**
 * A wide table scrolls by itself, and the keyboard reaches it; on a narrow screen each
 * row is a card whose cells have their names (so the roles are said).
 */
export const Table = ({
  caption,
  head,
  rows,
}: {
  caption: string;
  head: readonly string[];
  rows: readonly Row[];
}) => (
  <div class="wide" role="region" aria-label={caption} tabIndex={0}>
    <table role="table">
      <caption>{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {head.map((name) => (
            <th key={name} scope="col" role="columnheader">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map(({ key, cells: [of, ...cells] }) => (
          <tr key={key} role="row">
            <th scope="row" role="rowheader">
              {of}
            </th>
            {cells.map((cell, n) => (
              <td key={n} role="cell" data-name={head[n + 1]}>
                {isNothing(cell) ? null : <div>{cell}</div>}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);
