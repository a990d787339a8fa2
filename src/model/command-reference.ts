/**
 * Names a command of a session: by its number, with its shell's pid where several
 * shells have that number, or by the id of its event.
 */
import { type CommandStart, type Event, isKind } from "./event.ts";
import { fail } from "./failure.ts";

export interface ChosenCommand {
  event_id: string;
  seq: number | null;
  pid: number | null;
}

const NUMBERED = /^(?:(\d{1,7}):)?(\d{1,15})$/;
const EVENT_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MAX_CANDIDATES = 10;
const MAX_SAID = 60;

/** @throws Failure (usage) for a text that can name no command */
export function requireReference(text: string): void {
  if (NUMBERED.test(text) || EVENT_ID.test(text)) return;
  throw fail.usage(
    `--command takes the number of a command, not '${text.slice(0, MAX_SAID)}'`,
    "give it as show-session shows it: 12, or 4242:12 of one of several shells",
  );
}

/**
 * @param events those of a session
 * @returns one; several of one number where a shell began anew (`exec bash`)
 * @throws Failure (not_found, ambiguous)
 */
export function chosenCommands(
  reference: string,
  events: readonly Event[],
): ChosenCommand[] {
  const starts = [
    ...new Map(
      events
        .filter((event) => isKind(event, "command_start"))
        .map((event) => [event.event_id, event]),
    ).values(),
  ];
  const found = starts.filter((start) => isMeant(reference, start));
  if (found.length === 0)
    throw fail.not_found(
      `the session has no command ${reference}`,
      `it has ${starts.length}: session-buddy show-session shows their numbers`,
    );
  if (new Set(found.map(({ pid }) => pid)).size > 1) {
    const candidates = found
      .slice(0, MAX_CANDIDATES)
      .map(({ pid, seq, timestamp }) => `${pid ?? "?"}:${seq} of ${timestamp}`);
    throw fail.ambiguous(
      `${found.length} shells of the session have a command ${reference}`,
      `give the shell too: ${candidates.join(", ")}`,
    );
  }
  return found.map(({ event_id, seq, pid }) => ({
    ...{ event_id, seq: seq ?? null, pid: pid ?? null },
  }));
}

function isMeant(reference: string, start: CommandStart): boolean {
  const numbered = NUMBERED.exec(reference);
  if (!numbered) return start.event_id === reference.toLowerCase();
  const [, pid, seq] = numbered;
  return (
    start.seq === Number(seq) &&
    (pid === undefined || start.pid === Number(pid))
  );
}

/**
 * The number by which a command is named among those of its session.
 * @param several whether those are of several shells
 */
export function numberOf(
  { pid, seq }: Pick<ChosenCommand, "pid" | "seq">,
  several: boolean,
): string {
  if (seq === null) return "-";
  return several && pid !== null ? `${pid}:${seq}` : `${seq}`;
}
