/** `session-buddy migrate`: moves a database to another place, as events. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import {
  type Migrated,
  type MigrationPlan,
  migrate,
  planMigration,
} from "../../access/migrate.ts";
import { validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { escapeText } from "../../render/escape.ts";
import { bytes, duration } from "../../render/format.ts";
import { note, printResult } from "../terminal.ts";

export default defineCommand({
  description: `Moves a database to another place: a file, or PostgreSQL.

All events go, in the order in which they came and with who brought them, and
what archived sessions have left, and what terminals showed where the other
side has another folder for that (store.recordings). Both sides are compared
then: every event, and every session with what its events come to. The source is
left as it is. No server may use either of them meanwhile. Killed anywhere, the
same command goes on where it was. A file is made; a database in PostgreSQL
keeps what it has. A dry run moves some events to a place that is removed again,
to say how long all of it takes.

EXAMPLES
  session-buddy migrate --from old.duckdb --to new.duckdb
  session-buddy migrate --from old.duckdb --to postgres://me@db/sb --dry-run
  session-buddy migrate --from old.duckdb --to postgres://me@db/sb
  session-buddy migrate --from postgres://me@db/sb --to back.duckdb`,
  args: {
    from: {
      type: "string",
      valueHint: "place",
      description: "What is moved: a file, or postgres://user@host/database",
    },
    to: {
      type: "string",
      valueHint: "place",
      description: "Where it goes: a file that is not there, or PostgreSQL",
    },
    "dry-run": {
      type: "boolean",
      description: "Say how long it takes and how large it is, and stop",
    },
    json: { type: "boolean", description: "Print the result as JSON" },
    config: CONFIG_FLAG,
  },
  async run({ from, to, json, config, "dry-run": dry }) {
    if (!from || !to)
      throw fail.usage(
        `migrate needs --${from ? "to" : "from"}`,
        "try: session-buddy migrate --from old.duckdb --to new.duckdb",
      );
    const settings = await validSettings(process.env, config);
    if (dry) {
      const plan = await planMigration(settings, { from, to }, note);
      return printResult(json, plan, planWords(plan));
    }
    const done = await migrate(settings, { from, to }, note);
    printResult(json, done, words(done));
  },
});

function planWords(plan: MigrationPlan): string {
  const { events, sample_events, estimated_seconds, estimated_bytes } = plan;
  return lines(
    `would move: ${events} events (${bytes(plan.bytes)})`,
    `from: ${escapeText(plan.from)}`,
    `to: ${escapeText(plan.to)}`,
    `takes: about ${duration(estimated_seconds)} and ${bytes(estimated_bytes)}, by ${sample_events} of them`,
  );
}

function words(done: Migrated): string {
  const { stored, moved_before, not_stored, archived_sessions } = done;
  const { compared, recordings } = done;
  const { sessions, events, more, odd, sha256 } = compared;
  return lines(
    `moved: ${stored} events to ${escapeText(done.to)}`,
    ...(moved_before > 0 ? [`moved before: ${moved_before} events`] : []),
    ...(not_stored > 0 ? [`were there already: ${not_stored} events`] : []),
    ...(archived_sessions > 0
      ? [`archived: ${archived_sessions} sessions, whose files stay`]
      : []),
    `compared: ${sessions} sessions and ${events} events are the same on both sides`,
    ...(more > 0 ? [`more there: ${more} events of these sessions`] : []),
    ...(odd > 0
      ? [`mended: ${odd} sessions were not what their events come to`]
      : []),
    `sha256: ${sha256}`,
    ...(recordings.files > 0
      ? [`recordings: ${recordings.files} (${bytes(recordings.bytes)})`]
      : []),
    ...(recordings.running > 0
      ? [`left: ${recordings.running} recordings of sessions that go on`]
      : []),
  );
}

const lines = (...each: string[]) => each.map((line) => `${line}\n`).join("");
