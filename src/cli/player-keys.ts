/** The keys of a replay. */

export type PlayerKey =
  | "pause"
  | "back"
  | "on"
  | "far back"
  | "far on"
  | "next command"
  | "command before"
  | "faster"
  | "slower"
  | "start"
  | "end"
  | "quit"
  | "interrupt"
  | "suspend";

const KEYS: Record<string, PlayerKey> = {
  " ": "pause",
  ...{ "\x1b[D": "back", "\x1bOD": "back" },
  ...{ "\x1b[C": "on", "\x1bOC": "on" },
  ...{ "\x1b[B": "far back", "\x1bOB": "far back" },
  ...{ "\x1b[A": "far on", "\x1bOA": "far on" },
  ...{ "]": "next command", "[": "command before" },
  ...{ "+": "faster", "=": "faster", "-": "slower" },
  ...{ "\x1b[H": "start", "\x1bOH": "start", "\x1b[1~": "start" },
  ...{ "\x1b[F": "end", "\x1bOF": "end", "\x1b[4~": "end" },
  ...{ q: "quit", Q: "quit", "\x04": "quit", "\x03": "interrupt" },
  "\x1a": "suspend",
};
/** What a terminal sends for a key: a sequence whole, or a letter. */
const SENT = /\x1b\[[\d;]*[A-Za-z~]|\x1bO[A-Za-z]|[^]/g;

/** @param sent what the terminal sent, as it came */
export function playerKeys(sent: string): PlayerKey[] {
  return (sent.match(SENT) ?? []).flatMap((key) => KEYS[key] ?? []);
}
