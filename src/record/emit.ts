/**
 * Records a session that no wrapper is around: a cron job, a build, a playbook. Its
 * events go to the spool, each from a process of its own. Nothing tells that it goes on
 * but these events: it has no lease, unless it names a process that it lives with.
 */
import type { Choice } from "../model/redaction/custom.ts";
import { redactEvent } from "../model/redaction/event.ts";
import {
  EMITTED,
  type Event,
  EVENT_VERSION,
  type OwnFields,
  type SessionStart,
} from "../model/event.ts";
import { fail } from "../model/failure.ts";
import { isSessionId } from "../model/id.ts";
import { isMissing } from "../os/file.ts";
import { folderFailure } from "../os/paths.ts";
import { bootId, pidNamespace, processStat } from "../os/proc.ts";
import { spoolFull } from "../spool/quota.ts";
import { appendBeside, ensureSpool } from "../spool/write.ts";
import { VERSION } from "../version.ts";
import { startDrain } from "./spawn-drain.ts";
import { type StartOptions, startEvent } from "./start-event.ts";

/** What counts of valid settings, and their choice of redaction. */
export interface Place {
  paths: { data: string | null };
  config: {
    session: { enabled: boolean };
    spool: { max_bytes: number };
    server: { endpoint: string | null };
  };
  redaction: Choice;
}

type Given = Omit<StartOptions, "argv" | "recorded_argv" | "redacted_by">;

/**
 * @param lives_with a pid; null when only events tell that the session goes on
 * @returns the session's id
 * @throws Failure (usage, storage, permission)
 */
export function emitStart(
  place: Place,
  given: Given,
  lives_with: number | null,
): string {
  const folder = folderOf(place);
  const full = spoolFull(folder, place.config.spool.max_bytes);
  if (full !== null) throw fail.storage(`nothing is recorded: ${full}`);
  const {
    command: _,
    measured: { tab_completion_enabled: _tab, ...origin } = {},
    ...start
  } = startEvent(
    { ...given, argv: ["emit"], recorded_argv: [], redacted_by: [] },
    process.env,
    new Date(),
    folder,
  );
  const event: SessionStart = {
    ...start,
    ...identityOf(lives_with),
    lease_seconds: null,
    measured: { ...origin, recorder: EMITTED, recorder_version: VERSION },
  };
  write(place, folder, [event]);
  return event.session_id;
}

function identityOf(lives_with: number | null) {
  const unknown = { start_ticks: null, pid_namespace: null, boot_id: null };
  if (lives_with === null) return { pid: process.ppid, ppid: null, ...unknown };
  const stat = processStat(lives_with);
  if (!stat)
    throw fail.usage(
      `there is no process ${lives_with}`,
      "give the pid of one that lives as long as the session: --pid $$",
    );
  return {
    ...{ pid: lives_with, ppid: null, start_ticks: stat.start_ticks },
    ...{ pid_namespace: pidNamespace(), boot_id: bootId() },
  };
}

/**
 * Events of a session, which may be one that a wrapper records while it runs.
 * @throws Failure (usage, storage, permission)
 */
export function emit(
  place: Place,
  session_id: string,
  events: readonly (OwnFields & { timestamp: string })[],
): void {
  if (!isSessionId(session_id))
    throw fail.usage(
      session_id === ""
        ? "the session's id is empty"
        : `'${session_id.slice(0, 200)}' is no session's id`,
      "give the whole id that session-buddy emit start printed",
    );
  const folder = folderOf(place);
  const ends = events.some(({ event_type }) => event_type === "session_end");
  if (ends && !isMissing(`${folder}/${session_id}.ndjson`))
    throw fail.usage(
      `'${session_id}' is wrapped, and ends with its program`,
      "exit it",
    );
  write(
    place,
    folder,
    events.map((event) => ({
      ...{ event_version: EVENT_VERSION, event_id: Bun.randomUUIDv7() },
      ...{ session_id, ...event },
    })) as Event[],
  );
}

/** @throws Failure (config, permission, storage) */
function folderOf({ config, paths }: Place): string {
  if (config.session.enabled) return ensureSpool(paths.data!);
  throw fail.config(
    "nothing is recorded: session.enabled is false",
    "set it to true, or unset SESSION_BUDDY_SESSION_ENABLED",
  );
}

function write(
  { redaction, config }: Place,
  folder: string,
  events: readonly Event[],
): void {
  try {
    for (const event of events)
      appendBeside(folder, redactEvent(event, redaction), process.pid);
  } catch (error) {
    throw folderFailure(folder, error);
  }
  if (config.server.endpoint !== null) startDrain(DETACHED, folder);
}

const DETACHED = {
  detach(command: readonly string[], argv0: string): void {
    Bun.spawn([...command], {
      ...{ argv0, detached: true },
      ...{ stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    }).unref();
  },
};
