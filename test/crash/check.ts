/**
 * What must hold after a round, whatever happened in it. Nothing that was seen
 * whole on the disk or acknowledged is missing, nothing is there twice or out of
 * nowhere, and a session is active exactly while it lives.
 */
import { lostEnd } from "../../src/model/event.ts";
import { readFileSync, readdirSync, statSync } from "node:fs";
import type { Event, KnownEvent } from "../../src/model/event.ts";
import { foldBrought } from "../../src/model/fold.ts";
import type { Provenance } from "../../src/model/reporter.ts";
import { view } from "../../src/model/session.ts";
import type { SessionJson } from "../support/sandbox.ts";
import { until } from "../support/wait.ts";
import type { Actors } from "./actors.ts";
import { type StoredRow, type World, spoolFiles } from "./world.ts";

/** While programs live on, some without their wrapper. */
export async function checkLiving(world: World, actors: Actors): Promise<void> {
  const statuses = byId(await listed(world));
  for (const { session_id, wrapper } of actors.living) {
    if (!session_id || !hasStart(world, session_id)) continue;
    const status = statuses.get(session_id)?.status;
    if (status !== "active")
      world.blame(
        `${session_id} is ${status} and lives, its wrapper is ${wrapper.over ? "gone" : "there"}`,
      );
  }
  for (const { session_id } of actors.ended)
    if (statuses.get(session_id!)?.status === "active")
      world.blame(`${session_id} is active and has ended`);
}

/** With nobody left. */
export async function checkAll(
  world: World,
  actors: Actors,
  stopServer: () => Promise<void>,
): Promise<void> {
  await listed(world);
  // A wrapper's own drain may be at it still.
  await until("the spool to be taken", () => leftIn(world.spool).length === 0);
  const sessions = await listed(world);
  world.look();
  await stopServer();
  const rows = await world.stored();
  world.count("events", rows.length);
  world.count("sessions", sessions.length);
  checkEvents(world, rows);
  checkFolds(world, rows, sessions);
  checkEnds(world, actors, rows, byId(sessions));
  checkSpool(world);
}

export function checkEvents(world: World, rows: readonly StoredRow[]): void {
  const ids = new Set(rows.map(({ event_id }) => event_id));
  if (ids.size !== rows.length)
    world.blame(
      `${rows.length - ids.size} events are stored twice: ${twice(rows)}`,
    );
  const missing = [...world.seen.values()].filter(
    ({ event_id }) => !ids.has(event_id),
  );
  for (const event of missing.slice(0, 5))
    world.blame(
      `was on the disk and is lost, one of ${missing.length}: ${JSON.stringify(event).slice(0, 300)}`,
    );
  for (const [event_id, acknowledged] of world.sent)
    if (acknowledged && !ids.has(event_id))
      world.blame(`was acknowledged and is lost: ${event_id}`);
  for (const row of rows)
    if (!isFromSomewhere(world, row))
      world.blame(`nobody wrote ${row.payload.slice(0, 300)}`);
}

function isFromSomewhere(world: World, row: StoredRow): boolean {
  const { event_id, session_id, provenance } = row;
  if (world.seen.has(event_id) || world.sent.has(event_id)) return true;
  const event = JSON.parse(row.payload) as KnownEvent;
  // A drain whose clock is ahead lets a file go that we have not seen whole.
  if (world.trouble === "clock" && world.wrapped.has(session_id)) return true;
  // Ids of these are made of their channel, and its client's own words.
  if (provenance !== null && session_id.startsWith("chan_")) return true;
  // Whoever finds a session lost makes its end; where the spool is moved about,
  // the file that it was written to may be gone before we look.
  if (event_id === lostEnd(session_id, event.timestamp).event_id) return true;
  if (provenance !== null) return false;
  return event.event_type === "session_end"
    ? event.end_source === "recovered"
    : event.event_type === "annotation" && event.metadata === undefined;
}

function twice(rows: readonly StoredRow[]): string {
  const seen = new Set<string>();
  const again = rows.filter(
    ({ event_id }) => seen.has(event_id) || !seen.add(event_id),
  );
  return again
    .slice(0, 3)
    .map(({ payload }) => payload.slice(0, 200))
    .join("\n");
}

const broughtOf = ({ payload, provenance }: StoredRow) => ({
  event: JSON.parse(payload) as Event,
  from: provenance === null ? null : (JSON.parse(provenance) as Provenance),
});

/** What is listed is what the events say. */
export function checkFolds(
  world: World,
  rows: readonly StoredRow[],
  sessions: readonly SessionJson[],
): void {
  const events = Map.groupBy(rows, (row) => row.session_id);
  const wanted = [...events].flatMap(([id, of]) => {
    return view(foldBrought(id, of.map(broughtOf)), 0) ?? [];
  });
  const summary = (s: SessionJson) =>
    `${s.session_id} ${s.status} ${s.end_source} ${s.end_time} ${s.exit_code} ${s.command_count} ${s.failed_commands} ${s.last_command}`;
  const have = new Set(sessions.map(summary));
  for (const session of wanted)
    if (!have.delete(summary(session)))
      world.blame(`not listed: ${summary(session)}`);
  for (const session of have)
    world.blame(`listed, but not so by its events: ${session}`);
}

export function checkEnds(
  world: World,
  actors: Pick<Actors, "ended">,
  rows: readonly StoredRow[],
  sessions: ReadonlyMap<string, SessionJson>,
): void {
  const seenLate = signsOfTheStore(world, rows);
  for (const { session_id, status } of sessions.values())
    if (
      status === "active" &&
      !isReported(session_id) &&
      !seenLate.has(session_id)
    )
      world.blame(`${session_id} is active with nobody left`);
  for (const [session_id, { ended, ending }] of world.told) {
    const { status } = sessions.get(session_id) ?? {};
    const wrong = ended
      ? status !== "ended"
      : !ending && world.trouble !== "clock" && status !== "active";
    if (wrong)
      world.blame(
        `${session_id} is ${status}, told ${JSON.stringify({ ended, ending })}`,
      );
  }
  for (const { session_id, wrapper, status } of actors.ended) {
    if (!session_id || wrapper.killed || world.trouble !== "none") continue;
    if (status === null) continue;
    const { end_source, exit_code } = sessions.get(session_id) ?? {};
    if (end_source !== "observed" || exit_code !== status)
      world.blame(
        `${session_id} ended with ${status}, in plain sight, and is listed as ${end_source} ${exit_code}`,
      );
  }
  checkOneEnd(world, rows);
}

/**
 * Sessions whose end a drain with a clock behind has dated before a sign of life
 * that another one sent later: a server far away, which knows no better, ends them
 * with their lease.
 */
function signsOfTheStore(
  world: World,
  rows: readonly StoredRow[],
): Set<string> {
  if (world.trouble !== "clock" || !world.far) return new Set();
  const signs = rows.filter(
    ({ payload, provenance }) =>
      provenance === null &&
      (JSON.parse(payload) as KnownEvent).event_type === "annotation",
  );
  return new Set(signs.map(({ session_id }) => session_id));
}

/** Told to a server, over the wire: a lease says how long it lives. */
const isReported = (session_id: string) =>
  /^(wire-|host-|chan_)/.test(session_id);

function checkOneEnd(world: World, rows: readonly StoredRow[]): void {
  const ends = new Map<string, Record<string, number>>();
  for (const { session_id, payload } of rows) {
    const event = JSON.parse(payload) as KnownEvent;
    if (event.event_type !== "session_end") continue;
    const of = ends.get(session_id) ?? {};
    of[event.end_source] = (of[event.end_source] ?? 0) + 1;
    ends.set(session_id, of);
  }
  for (const [
    session_id,
    { observed = 0, declared = 0, recovered = 0 },
  ] of ends) {
    // Nobody reopens what neither a clock nor a late line made look alive.
    const reopened = world.trouble === "clock" || world.late.has(session_id);
    const often = reopened ? Infinity : 1;
    if (observed > 1 || declared > 0 || recovered > often)
      world.blame(
        `${session_id} ended ${observed} times observed, ${declared} declared, ${recovered} recovered`,
      );
  }
}

/** Nothing waits any more, and what was put aside is no event. */
export function checkSpool(world: World): void {
  const { spool } = world;
  for (const name of leftIn(spool)) world.blame(`still in the spool: ${name}`);
  for (const name of filesIn(`${spool}/quarantine`)) {
    const line = readFileSync(`${spool}/quarantine/${name}`, "utf8").split(
      "\n",
    )[0]!;
    world.count("quarantined");
    if (isWhole(name, line)) world.blame(`quarantined, and whole: ${name}`);
  }
}

/** Files with something in them: an empty one rests for a minute. */
export const leftIn = (spool: string) =>
  spoolFiles(spool).filter(
    (name) =>
      (statSync(`${spool}/${name}`, { throwIfNoEntry: false })?.size ?? 0) > 0,
  );

function isWhole(name: string, line: string): boolean {
  if (name.includes(".commands.")) return line.endsWith("\t.");
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

export const byId = (sessions: readonly SessionJson[]) =>
  new Map(sessions.map((session) => [session.session_id, session]));

const hasStart = (world: World, session_id: string) =>
  [...world.seen.values()].some(
    (event) =>
      event.session_id === session_id && event.event_type === "session_start",
  );

/** What a reader is told now, with no trouble about. */
export async function listed(world: World): Promise<SessionJson[]> {
  for (let tries = 0; ; tries++) {
    const reader = world.spawn("reader", ["list-sessions", "--format", "json"]);
    await reader.end();
    if (reader.child.exitCode === 0)
      return JSON.parse(reader.stdout) as SessionJson[];
    // A drain in the background may have it for longer than a command waits.
    if (tries < 10 && reader.stderr.includes("the database is busy")) continue;
    throw new Error(`the database does not open: ${reader.stderr}`);
  }
}
