/** The starts of commands that have not ended yet: an end does not say what it is of. */
import type { CommandEnd, CommandStart } from "../model/event.ts";
import { isKind } from "../model/event.ts";
import type { AlertSource } from "./source.ts";

/** What is remembered; the start of an older one is read again. */
const MOST_STARTS = 4_096;
/** Of a command's text, to be told. */
export const MAX_COMMAND = 4_096;

type Start = Pick<CommandStart, "text" | "cwd" | "event_id">;

export class CommandStarts {
  private readonly starts = new Map<string, Start>();

  constructor(private readonly source: AlertSource) {}

  note(start: CommandStart): void {
    const { text = null, cwd = null, event_id } = start;
    const key = keyOf(start);
    this.starts.delete(key);
    this.starts.set(key, {
      text: text?.slice(0, MAX_COMMAND) ?? null,
      ...{ cwd, event_id },
    });
    for (const oldest of this.starts.keys()) {
      if (this.starts.size <= MOST_STARTS) break;
      this.starts.delete(oldest);
    }
  }

  /** Texts of them were removed where they are stored. */
  clear(): void {
    this.starts.clear();
  }

  /** @returns null where none is stored */
  async of(end: CommandEnd): Promise<Start | null> {
    const key = keyOf(end);
    const known = this.starts.get(key);
    if (known) return known;
    // It began before this server, or a long time ago.
    const { session_id } = end;
    let found: Start | null = null;
    const filter = { session_id, kinds: ["command_start"] };
    for await (const { event } of this.source.events(filter))
      if (isKind(event, "command_start") && keyOf(event) === key)
        if (event.timestamp <= end.timestamp) found = event;
    return found;
  }
}

const keyOf = (event: CommandStart | CommandEnd): string =>
  [
    event.session_id,
    event.pid ?? "",
    event.seq ?? "",
    event.shell_started_us ?? "",
  ].join(" ");
