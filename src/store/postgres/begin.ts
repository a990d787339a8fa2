/**
 * Begins sessions, whichever servers begin others at the same time. The choice of an
 * id and the start are one transaction: of two that chose the same id one is done again,
 * and chooses another. A conversation has a row, which who begins one of it holds.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../../model/clock.ts";
import type { SessionStart } from "../../model/event.ts";
import { Rejected } from "../../model/failure.ts";
import type { Provenance } from "../../model/reporter.ts";
import type { Session } from "../../model/session.ts";
import type { Begun, Conversation } from "../../model/store.ts";
import type { Arrival } from "../arrivals.ts";
import { mayHave } from "../beginning.ts";
import { type Committed, commitBatch, isCommitted, settle } from "./commit.ts";
import type { Connection } from "./connect.ts";
import { sessionOfEvent, summaryFrom } from "./known.ts";
import { type Known, databaseTime, readKnown } from "./rows.ts";
import { listSessions } from "./sessions.ts";
import { refusalOf } from "./retry.ts";
import { encoded } from "./text.ts";
import { type Work, type Writer, arrivalsOf } from "./writer.ts";

/** A write, so that others wait for it also where rows are not locked to read them. */
const HOLD = `INSERT INTO channels AS c (key, session_id) VALUES ($1::text, '')
  ON CONFLICT (key) DO UPDATE SET session_id = c.session_id RETURNING session_id`;

const LOOK = "SELECT session_id FROM channels WHERE key = $1::text";

const SET = "UPDATE channels SET session_id = $2::text WHERE key = $1::text";

/** One that was over so long ago begins anew, as one that nobody knows. */
const FORGOTTEN_DAYS = 30;
/** Who begins it meanwhile has changed its row, which stays then. */
const FORGET = `DELETE FROM channels AS c USING sessions AS s
  WHERE s.session_id = c.session_id AND (s.archived IS NOT NULL OR s.end_time
    < ${databaseTime("$1")} - interval '${FORGOTTEN_DAYS} days')`;
const FORGET_MS = 3_600_000;

/** A key may be long, and says who talks to whom. */
const rowOf = (key: string) => createHash("sha256").update(key).digest("hex");

export class Beginnings {
  /** When conversations were forgotten last, by the caller's clock. */
  private forgot_ms = -Infinity;

  constructor(
    private readonly connection: Connection,
    private readonly writer: Writer,
    private readonly now: Clock,
  ) {}

  /** Forgets conversations that were over long ago, once an hour. */
  async forget(): Promise<void> {
    const now = this.now();
    if (Math.abs(now - this.forgot_ms) < FORGET_MS) return;
    await this.connection.ask(FORGET, [now - Date.now()]);
    this.forgot_ms = now;
  }

  /** See ServedStore.begin. */
  async begin(
    start: SessionStart,
    ids: readonly string[],
    from: Provenance,
    conversation?: Conversation,
  ): Promise<Begun> {
    let begun: Begun | null = null;
    const refused = (reason: string) =>
      new Rejected(new Map([[start.event_id, reason]]), new Set());
    const begin: Work<Arrival> = async (tx, batch, rules) => {
      const held = conversation && (await hold(tx, conversation));
      // One that was stored before has begun a session, whatever this one says.
      const known = await sessionOfEvent(tx, start, from);
      if (known !== null) {
        await settle(tx, [encoded(known)]);
        const ours = await isCommitted(tx, batch);
        begun = { session_id: known, how: ours ? "new" : "known" };
        return NOTHING;
      }
      const going =
        conversation && (await this.goingIn(tx, conversation, held!));
      if (going) {
        begun = { session_id: going, how: "going" };
        await tx.ask(SET, [rowOf(conversation.keys[0]!), going]);
        return NOTHING;
      }
      const rows = await readKnown(tx, ids.map(encoded), rules.locks);
      const session_id = await freeId(tx, start, ids, rows, from);
      const items = arrivalsOf([{ ...start, session_id }], from);
      if (conversation)
        await tx.ask(SET, [rowOf(conversation.keys[0]!), session_id]);
      const done = await commitBatch<Arrival>(tx, batch, items, rules, rows);
      // Another has stored the same one since it was looked for.
      begun = { session_id, how: done.stored.length > 0 ? "new" : "known" };
      return done;
    };
    try {
      const { rejected } = await this.writer.commit(begin);
      if (rejected.length > 0) throw refused(rejected[0]!.reason);
      return begun!;
    } catch (error) {
      const reason = refusalOf(error);
      if (reason === null) throw error;
      const [arrival] = arrivalsOf([{ ...start, session_id: ids[0]! }], from);
      this.writer.tell([{ ...arrival!, reason }]);
      throw refused(reason);
    }
  }

  /** See ServedStore.going. */
  async going(conversation: Conversation): Promise<string | null> {
    const key = rowOf(conversation.keys[0]!);
    const [row] = await this.connection.ask<Row>(LOOK, [key]);
    return this.goingIn(this.connection, conversation, row?.session_id ?? "");
  }

  /** Sessions of channels that go on, newest first, in which a user takes part. */
  private channels(
    connection: Connection,
    username: string,
  ): Promise<Session[]> {
    const filter = {
      session_type: "channel",
      status: "active",
      username,
    } as const;
    return Array.fromAsync(listSessions(connection, filter, this.now()));
  }

  /** @param session_id what its row says; empty where it had none */
  private async goingIn(
    connection: Connection,
    { keys, keyOf, username }: Conversation,
    session_id: string,
  ): Promise<string | null> {
    if (session_id !== "" && (await goesOn(connection, session_id)))
      return session_id;
    // It may have come from another database, which had no such rows.
    const open = await this.channels(connection, username);
    for (const key of keys) {
      const found = open.find((session) => keyOf(session) === key);
      if (found) return found.session_id;
    }
    return null;
  }
}

interface Row {
  session_id: string;
}

const NOTHING: Committed<Arrival> = { stored: [], rejected: [] };

async function hold(tx: Connection, { keys }: Conversation): Promise<string> {
  const [row] = await tx.ask<Row>(HOLD, [rowOf(keys[0]!)]);
  return row!.session_id;
}

async function goesOn(
  connection: Connection,
  session_id: string,
): Promise<boolean> {
  const row = (await readKnown(connection, [session_id], false)).get(
    session_id,
  );
  return row !== undefined && !row.archived && !row.ended;
}

async function freeId(
  tx: Connection,
  start: SessionStart,
  ids: readonly string[],
  rows: ReadonlyMap<string, Known>,
  from: Provenance,
): Promise<string> {
  for (const id of ids) {
    const row = rows.get(encoded(id));
    const summary = row ? await summaryFrom(tx, row) : null;
    if (mayHave(start, summary, from)) return id;
  }
  throw new Error(`no free session id for event ${start.event_id}`);
}
