/** What failed in a span of time: asked of the tools by more than one prompt. */
import type { Ask } from "./prompt.ts";

const MAX_COMMANDS = 200;
const MAX_SESSIONS = 1_000;

/** Where and of whom is left to the tools. */
type Span = { since: string; until: string; [filter: string]: unknown };

interface Row {
  session_id: string;
  status: string;
  exit_code: number | null;
  signal: unknown;
}

export async function failures(ask: Ask, { since, until, ...of }: Span) {
  const { commands, next_cursor } = (await ask("list_commands", {
    ...{ ...of, failed: true, during: `${since}..${until}` },
    limit: MAX_COMMANDS,
  })) as { commands: { session_id: string }[]; next_cursor: string | null };
  const listed = (await ask("list_sessions", {
    ...{ ...of, during: `${since}..`, before: until, limit: MAX_SESSIONS },
  })) as { sessions: Row[]; next_cursor: string | null };
  const failing = new Set(commands.map(({ session_id }) => session_id));
  return {
    commands,
    sessions: listed.sessions.filter(
      (row) =>
        failing.has(row.session_id) ||
        row.status === "lost" ||
        row.signal !== null ||
        (row.exit_code ?? 0) !== 0,
    ),
    // What is not enclosed is said: a list that ends looks whole.
    left_out: {
      commands:
        next_cursor === null ? null : `older than the newest ${MAX_COMMANDS}`,
      sessions:
        listed.next_cursor === null
          ? null
          : `older than the newest ${MAX_SESSIONS}`,
    },
  };
}
