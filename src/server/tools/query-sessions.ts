/** query_sessions: a query in SQL over the views, sessions, commands and more. */
import { z } from "zod";
import { fail } from "../../model/failure.ts";
import type { QueryRow } from "../../model/query.ts";
import { MAX_SERVED, QUERY_SECONDS } from "../../model/query.ts";
import { count, lenient, orNull, text } from "./fields.ts";
import { tool } from "./tool.ts";

const DEFAULT_SECONDS = 10;
const DEFAULT_ROWS = 1_000;
/** Over the network: few queries run at a time, and our own user has to get a place. */
const NETWORK_SECONDS = 60;

export const querySessions = tool({
  name: "query_sessions",
  title: "Query sessions in SQL",
  description:
    "Runs one SELECT, in DuckDB's SQL (in PostgreSQL's, where the server keeps its sessions there), over the views sessions (a row a shell session, columns as list_sessions gives them), commands (a row a command, columns as list_commands gives them), events (seq, event_id, session_id, event_type, timestamp, received_at, provenance, event), output (a row a line that a recorded terminal showed: session_id, username, hostname, recording_line, recording_ms, time, text) and recordings (session_id, username, hostname, start_time, bytes, lines, searched, left_out); `DESCRIBE commands` lists columns with their types. Use it for what the other tools do not answer: sums, joins, rankings, over time. Times are UTC timestamps; metadata and event are JSON (metadata->>'version'). Nothing else can be read and nothing be changed; what is wrong with a query is said with its place. Rows are arrays in the order of columns; note says when some were left out. Example: {\"sql\":\"SELECT text, count(*) AS failures FROM commands WHERE exit_code <> 0 AND start_time > now() - INTERVAL '7 days' GROUP BY text ORDER BY failures DESC LIMIT 10\"}",
  access: "read",
  input: z.strictObject({
    sql: text.describe("One SELECT"),
    timeout_seconds: lenient(z.number().gt(0).max(QUERY_SECONDS.max))
      .optional()
      .describe(
        `How long it may run, at most ${QUERY_SECONDS.max}, over the network ${NETWORK_SECONDS}; ${DEFAULT_SECONDS} when left out`,
      ),
    limit: lenient(z.int().min(1).max(MAX_SERVED.rows))
      .optional()
      .describe(
        `Rows at most, 1 to ${MAX_SERVED.rows}; ${DEFAULT_ROWS} when left out`,
      ),
  }),
  output: z.object({
    columns: z.array(z.object({ name: text, type: text })),
    rows: z.array(z.array(z.unknown())),
    count,
    note: orNull,
  }),
  run:
    ({ store }) =>
    async ({ sql, timeout_seconds, limit = DEFAULT_ROWS }, { caller }) => {
      const seconds = timeout_seconds ?? DEFAULT_SECONDS;
      if (caller.via === "tcp" && seconds > NETWORK_SECONDS)
        throw fail.usage(
          `a query over the network may run at most ${NETWORK_SECONDS} s`,
          "give it less, or ask on the server's host",
        );
      const timeout_ms = seconds * 1_000;
      const { gone } = caller;
      const request = { sql, timeout_ms, ...(gone && { gone }) };
      const { columns, rows: all } = await store.query(request);
      const { rows, cut } = await firstOf(all, limit);
      return {
        columns: [...columns],
        rows: rows.map((row) => [...row]),
        count: rows.length,
        note: cut
          ? `only the first ${rows.length} rows are here: more were asked for than one answer holds`
          : null,
      };
    },
});

/** As many rows as one answer holds; what is left of the query is interrupted. */
async function firstOf(
  all: AsyncIterable<QueryRow>,
  max: number,
): Promise<{ rows: QueryRow[]; cut: boolean }> {
  const rows: QueryRow[] = [];
  let chars = 0;
  for await (const row of all) {
    chars += JSON.stringify(row).length;
    if (rows.length === max || chars > MAX_SERVED.bytes)
      return { rows, cut: true };
    rows.push(row);
  }
  return { rows, cut: false };
}
