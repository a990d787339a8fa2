/**
 * What events tell of commands and notes, in the tables of schema-told.ts, written in
 * the transaction of the events. A command has one row, with what its end says as soon
 * as both are there, in whatever order they come. Two transactions that write of one
 * session meet at the row of that session, so that one of them pairs anew.
 */
import { isoTime } from "../../model/clock.ts";
import { type Event, isKind } from "../../model/event.ts";
import { programOf } from "../../model/program.ts";
import type { Connection, Value } from "./connect.ts";
import { type Told, paired } from "./pairs.ts";
import { arrayOf, decoded, encoded, timeOf } from "./text.ts";
import {
  CHANGE_ENDS,
  DELETE_ENDS,
  DELETE_TOLD,
  EVENTS_OF,
  INSERT_ENDS,
  INSERT_NOTES,
  INSERT_STARTS,
  RELEASE_STARTS,
  STORED,
} from "./told-statements.ts";

/** An event, and its place in the order of arrival. */
export interface ToldEvent {
  event: Event;
  batch: string;
  ordinal: number;
}

/** The numbers that a command's start and its end have in common; -1: not told. */
interface Key {
  session_id: string;
  pid: number;
  seq: number;
  shell_started_us: number;
}

interface Start extends Told {
  key: Key;
  /** null of one that is stored. */
  event: ReadonlyFields | null;
  /** As it is stored. */
  end: End | null;
}
interface End extends Told {
  key: Key;
  exit_code: number | null;
  /** As PostgreSQL writes a list. */
  pipe_status: string | null;
  duration_ms: number | null;
  /** Stored in a row of its own. */
  waits: boolean;
}

/** The starts and ends of one key. */
interface Group {
  key: Key;
  starts: Start[];
  ends: End[];
  /** Of what changes. */
  times: string[];
}

type ReadonlyFields = Readonly<Record<string, unknown>>;

/** Writes what new events tell, of whichever kinds they are. */
export async function insertTold(
  tx: Connection,
  items: readonly ToldEvent[],
): Promise<void> {
  await insertNotes(tx, items);
  await pairAll(tx, groupsOf(items));
}

async function pairAll(
  tx: Connection,
  groups: Map<string, Group>,
): Promise<void> {
  if (groups.size === 0) return;
  await addStored(tx, groups);
  const fresh: [Start, End | undefined][] = [];
  const changed: [Start, End | undefined][] = [];
  const waiting: End[] = [];
  const met: End[] = [];
  for (const { key, starts, ends } of groups.values()) {
    const pairs = paired(starts, ends, key.shell_started_us >= 0);
    for (const start of starts) {
      const end = pairs.get(start);
      if (start.event) fresh.push([start, end]);
      else if (!isSame(start.end, end)) changed.push([start, end]);
    }
    const taken = new Set(pairs.values());
    for (const end of ends)
      if (taken.has(end)) end.waits && met.push(end);
      else if (!end.waits) waiting.push(end);
  }
  if (fresh.length > 0) await tx.ask(INSERT_STARTS, startColumns(fresh));
  if (changed.length > 0) await tx.ask(CHANGE_ENDS, changeColumns(changed));
  if (waiting.length > 0) await tx.ask(INSERT_ENDS, endColumns(waiting));
  if (met.length > 0) await tx.ask(DELETE_ENDS, placeColumns(met));
}

/** Removes what some stored events tell; to be called while they are stored. */
export async function deleteTold(
  tx: Connection,
  keys: readonly { session_id: string; event_id: string }[],
): Promise<void> {
  const values = columns(keys, (key) => [
    encoded(key.session_id),
    key.event_id,
  ]);
  const groups = new Map<string, Group>();
  for (const sql of [RELEASE_STARTS, DELETE_TOLD])
    for (const { at, ...key } of await tx.ask<Key & { at: Date }>(
      sql,
      values,
    )) {
      const session_id = decoded(key.session_id);
      groupFor(groups, { ...key, session_id }).times.push(timeOf(at));
    }
  await pairAll(tx, groups);
}

/** Removes all that is told of some sessions. */
export async function deleteToldOf(
  tx: Connection,
  session_ids: readonly string[],
): Promise<void> {
  const ids = arrayOf(session_ids.map(encoded));
  for (const table of ["commands", "command_ends", "notes"])
    await tx.ask(`DELETE FROM ${table} WHERE session_id = ANY($1::text[])`, [
      ids,
    ]);
}

/** Events that are read at a time. */
const SLICE = 4_096;

/** Makes all that is told of a session anew from its events, which were changed. */
export async function tellAnew(
  tx: Connection,
  session_id: string,
): Promise<void> {
  await deleteToldOf(tx, [session_id]);
  for (let [batch, ordinal] = ["-1", 0]; ;) {
    const rows = await tx.ask<{
      batch: string;
      ordinal: number;
      payload: string;
    }>(EVENTS_OF, [encoded(session_id), batch, ordinal, SLICE]);
    await insertTold(
      tx,
      rows.map(({ payload, ...place }) => ({
        ...place,
        event: JSON.parse(payload) as Event,
      })),
    );
    if (rows.length < SLICE) return;
    ({ batch, ordinal } = rows.at(-1)!);
  }
}

async function insertNotes(
  tx: Connection,
  items: readonly ToldEvent[],
): Promise<void> {
  const notes = items.flatMap(({ event, ...place }) =>
    isKind(event, "annotation") && typeof event.note === "string"
      ? [{ event, note: event.note, ...place }]
      : [],
  );
  if (notes.length === 0) return;
  await tx.ask(
    INSERT_NOTES,
    columns(notes, ({ event, note, batch, ordinal }) => [
      ...[encoded(event.session_id), batch, ordinal, event.timestamp],
      encoded(note),
    ]),
  );
}

function groupsOf(items: readonly ToldEvent[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const { event, batch, ordinal } of items) {
    const begins = event.event_type === "command_start";
    if (!begins && event.event_type !== "command_end") continue;
    const fields: ReadonlyFields = { ...event };
    const key: Key = {
      session_id: event.session_id,
      pid: whole(fields["pid"]) ?? -1,
      seq: whole(fields["seq"]) ?? -1,
      shell_started_us: whole(fields["shell_started_us"]) ?? -1,
    };
    const group = groupFor(groups, key);
    const at = isoTime(Date.parse(event.timestamp));
    const told = { key, batch, ordinal, at };
    group.times.push(at);
    if (begins) group.starts.push({ ...told, event: fields, end: null });
    else group.ends.push({ ...told, ...endOf(fields), waits: false });
  }
  return groups;
}

function groupFor(groups: Map<string, Group>, key: Key): Group {
  const name = Object.values(key).join(" ");
  let group = groups.get(name);
  if (!group)
    groups.set(name, (group = { key, starts: [], ends: [], times: [] }));
  return group;
}

function endOf(fields: ReadonlyFields) {
  const { pipe_status, duration_ms } = fields;
  const isList = Array.isArray(pipe_status) && pipe_status.every(isInteger);
  return {
    exit_code: small(fields["exit_code"]),
    pipe_status: isList ? arrayOf(pipe_status) : null,
    duration_ms: typeof duration_ms === "number" ? duration_ms : null,
  };
}

/** Versions that are gone took anything for a number. */
const whole = (value: unknown): number | null =>
  Number.isSafeInteger(value) && (value as number) >= 0
    ? (value as number)
    : null;
const small = (value: unknown): number | null =>
  isInteger(value) ? value : null;
const isInteger = (value: unknown): value is number =>
  Number.isInteger(value) && Math.abs(value as number) < 2 ** 31;
const text = (value: unknown): string | null =>
  typeof value === "string" ? encoded(value) : null;

interface StoredRow extends Key {
  begins: boolean;
  batch: string | null;
  ordinal: number | null;
  at: Date | null;
  end_batch: string | null;
  end_ordinal: number | null;
  ended_at: Date | null;
  exit_code: number | null;
  pipe_status: string | null;
  duration_ms: number | null;
}

/** Adds what is stored under the same keys. */
async function addStored(
  tx: Connection,
  groups: Map<string, Group>,
): Promise<void> {
  const rows = await tx.ask<StoredRow>(
    STORED,
    columns([...groups.values()], ({ key, times }) => {
      times.sort();
      return [
        ...[encoded(key.session_id), key.pid, key.seq, key.shell_started_us],
        ...[times[0]!, times.at(-1)!],
      ];
    }),
  );
  for (const row of rows) {
    const { pid, seq, shell_started_us } = row;
    const session_id = decoded(row.session_id);
    const group = groupFor(groups, { session_id, pid, seq, shell_started_us });
    const { key } = group;
    const { exit_code, pipe_status, duration_ms } = row;
    const end: End | null =
      row.end_batch === null
        ? null
        : {
            ...{ key, batch: row.end_batch, ordinal: row.end_ordinal! },
            ...{
              at: timeOf(row.ended_at!),
              exit_code,
              pipe_status,
              duration_ms,
            },
            waits: !row.begins,
          };
    if (end) group.ends.push(end);
    if (row.begins)
      group.starts.push({
        ...{ key, batch: row.batch!, ordinal: row.ordinal! },
        ...{ at: timeOf(row.at!), event: null, end },
      });
  }
}

const isSame = (a: Told | null, b: Told | undefined): boolean =>
  a?.batch === b?.batch && a?.ordinal === b?.ordinal;

/** The values of some rows, column by column, as arrays. */
function columns<T>(
  rows: readonly T[],
  valuesOf: (row: T) => readonly (string | number | null)[],
): Value[] {
  const table = rows.map(valuesOf);
  return table[0]!.map((_, column) =>
    arrayOf(table.map((row) => row[column]!)),
  );
}

const endValues = (end: End | undefined) => [
  ...[end?.batch ?? null, end?.ordinal ?? null, end?.at ?? null],
  ...[end?.exit_code ?? null, end?.pipe_status ?? null],
  end?.duration_ms ?? null,
];

/** A number that is null where it was not told. */
const known = (number: number) => (number < 0 ? null : number);

const startColumns = (starts: readonly [Start, End | undefined][]) =>
  columns(starts, ([{ key, batch, ordinal, at, event }, end]) => {
    const fields = event!;
    const said = fields["text"];
    return [
      ...[encoded(key.session_id), batch, ordinal, at, known(key.pid)],
      ...[known(key.seq), known(key.shell_started_us), small(fields["depth"])],
      ...[text(said), text(fields["text_base64"])],
      ...[small(fields["truncated_bytes"]), text(fields["mark"])],
      ...[text(fields["cwd"]), text(programIn(said)), ...endValues(end)],
    ];
  });

const programIn = (said: unknown) =>
  typeof said === "string" ? programOf(said) : null;

const changeColumns = (starts: readonly [Start, End | undefined][]) =>
  columns(starts, ([{ key, batch, ordinal }, end]) => [
    ...[encoded(key.session_id), batch, ordinal, ...endValues(end)],
  ]);

const endColumns = (ends: readonly End[]) =>
  columns(ends, (end) => {
    const { session_id, pid, seq, shell_started_us } = end.key;
    const key = [encoded(session_id), pid, seq, shell_started_us];
    return [...key, ...endValues(end)];
  });

const placeColumns = (ends: readonly End[]) =>
  columns(ends, ({ key, batch, ordinal }) => [
    ...[encoded(key.session_id), key.pid, key.seq, key.shell_started_us],
    ...[batch, ordinal],
  ]);
