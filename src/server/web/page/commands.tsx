/** The commands of a session in the order in which they were typed. */
import { effect } from "@preact/signals";
import { Component } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "./ask.ts";
import { Exit, Typed } from "./parts.tsx";
import { hrefOf, place, refine } from "./place.ts";
import type { Playing } from "./playing.ts";
import type { Command, WholeSession } from "./types.ts";
import { duration, localTime, plural, visible } from "./words.ts";

interface Page {
  commands: Command[];
  next_cursor: string | null;
}

interface Given {
  of: WholeSession;
  playing: Playing;
  /** Shows what was to be seen when a command began. */
  onPick: (command: Command) => void;
}

/** The one that plays, else that of the address, is marked and in view. */
export function Commands({ of, playing, onPick }: Given) {
  const { query } = place.value;
  const [earlier, setEarlier] = useState<Command[]>([]);
  const [trouble, setTrouble] = useState<string | null>(null);
  const list = useRef<HTMLOListElement>(null);
  const failed = query["failed"] === "1";
  const all = [...earlier, ...of.commands];
  const shown = failed ? all.filter(({ exit_code }) => exit_code) : all;
  const missing = (of.command_count ?? 0) - all.length;
  const played = usePlayed(playing, all);
  const marked = played ?? query["command"];
  useEffect(() => {
    const current = list.current?.querySelector<HTMLElement>("[aria-current]");
    if (current) bringIn(list.current!, current);
  }, [marked]);
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
        <ol class="commands" ref={list} onKeyDown={walk}>
          {shown.map((command, n) => {
            const day = dayOf(command);
            const isNewDay = n === 0 || day !== dayOf(shown[n - 1]!);
            const seq = String(command.event_seq);
            const { id, failed } = query;
            return (
              <Line
                key={seq}
                of={command}
                day={isNewDay ? day : null}
                isOn={of.status === "active"}
                isCurrent={marked === seq}
                href={hrefOf("session", { id, failed, command: seq })}
                onPick={onPick}
              />
            );
          })}
        </ol>
      )}
    </section>
  );
}

interface LineGiven {
  of: Command;
  /** null: that of the line before. */
  day: string | null;
  /** Whether its session goes on. */
  isOn: boolean;
  isCurrent: boolean;
  href: string;
  onPick: (command: Command) => void;
}

/** Of ten thousand, those alone are drawn anew that have changed. */
class Line extends Component<LineGiven> {
  override shouldComponentUpdate({ of, ...next }: LineGiven): boolean {
    const { of: old, ...before } = this.props;
    return (
      old.end_time !== of.end_time ||
      old.text !== of.text ||
      before.day !== next.day ||
      before.isOn !== next.isOn ||
      before.isCurrent !== next.isCurrent ||
      before.href !== next.href
    );
  }

  override render({ of, day, isOn, isCurrent, href, onPick }: LineGiven) {
    return (
      <li>
        {day !== null && <p class="day">{day}</p>}
        <a
          href={href}
          onClick={() => onPick(of)}
          aria-current={isCurrent ? "true" : undefined}
          title={of.cwd === null ? undefined : visible(of.cwd)}
        >
          <time dateTime={of.start_time}>
            {localTime(of.start_time).slice(11)}
          </time>
          <Typed of={of} />
          <span class="number soft">
            {of.end_time === null && isOn
              ? "running"
              : duration(of.duration_seconds)}
          </span>
          <Exit code={of.exit_code} />
        </a>
      </li>
    );
  }
}

/** @returns the command that was typed last at the moment that is shown; null while nothing is */
function usePlayed(
  playing: Playing,
  commands: readonly Command[],
): string | null {
  const [seq, setSeq] = useState<string | null>(null);
  useEffect(
    () =>
      effect(() => {
        const head = playing.head.value;
        const state = playing.state.value;
        const at_ms =
          state === "ready"
            ? head!.began_ms + playing.at_s.value * 1_000
            : Infinity;
        const shows = state !== "closed" && state !== "loading";
        const last = shows
          ? commands.findLast(({ start_time }) => startOf(start_time) <= at_ms)
          : null;
        setSeq(last ? String(last.event_seq) : null);
      }),
    [playing, commands.length],
  );
  return seq;
}

/** A click goes to where it began, which may be rounded. */
const ROUNDED_MS = 2;
const startOf = (start_time: string) => Date.parse(start_time) - ROUNDED_MS;

/** Into the middle of the list, where it scrolls by itself; else of the page. */
function bringIn(list: HTMLElement, link: HTMLElement): void {
  if (list.scrollHeight <= list.clientHeight)
    return link.scrollIntoView({ block: "nearest" });
  const { top, height } = link.getBoundingClientRect();
  const middle = list.getBoundingClientRect().top + list.clientHeight / 2;
  list.scrollTop += top + height / 2 - middle;
}

/** They are asked for each time that one of thousands plays. */
const days = new WeakMap<Command, string>();

function dayOf(command: Command): string {
  let day = days.get(command);
  if (day === undefined)
    days.set(command, (day = localTime(command.start_time).slice(0, 10)));
  return day;
}

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
