/**
 * Sessions that shells report themselves: a start, and some time an end. A
 * start is known by its event_id and an end by its session, so either may be
 * sent again, and an end may come first.
 */
import {
  EVENT_VERSION,
  type JsonObject,
  type SessionEnd,
  type SessionStart,
  isReservedMetadata,
} from "../../model/event.ts";
import {
  endEventId,
  idHexOf,
  isSessionId,
  sessionIdOf,
} from "../../model/id.ts";
import { type Provenance, mayReport } from "../../model/reporter.ts";
import { appendOne } from "./recorder.ts";
import type { Caller } from "./caller.ts";
import type { Recorder } from "./telemetry.ts";
import type { Args } from "./fields.ts";
import { reporterFacts } from "./reporter.ts";
import { Rules } from "./rules.ts";
import { Turns } from "./keyed-mutex.ts";

export interface Tracked {
  session_id: string;
  status: "tracked" | "ended" | "not_found";
  error: null;
}

/** How much of the hex an id may take, least first. */
const DIGITS = [8, 12, 16, 20, 24, 28, 32];

export class Tracking {
  private readonly turns = new Turns();

  /** @param spool the folder where wrapped sessions are written */
  constructor(
    private readonly store: Recorder,
    private readonly spool: string,
  ) {}

  /** @throws Failure (refused) by the rules, or when the store does not take it */
  async start(
    args: Args<"track_session_start">,
    caller: Caller,
    from: Provenance,
  ): Promise<Tracked> {
    const rules = new Rules();
    const event = startOf(args, rules);
    rules.bounds(event);
    rules.check();
    Object.assign(event, reporterFacts(event.pid, caller, this.spool));
    // Ids that may collide end the same: they are given one after the other.
    const hex = idHexOf(event.event_id).slice(0, 8);
    const session_id = await this.turns.take(hex, async () => {
      // One that was stored before has begun a session, whatever this one says.
      const begun = await this.store.sessionOf(event, from);
      if (begun !== null) return begun;
      event.session_id = await this.freeId(event, from);
      await appendOne(this.store, event, from);
      return event.session_id;
    });
    return { session_id, status: "tracked", error: null };
  }

  /** The shortest id that no other event has; that of this event if it has one. */
  private async freeId(event: SessionStart, from: Provenance): Promise<string> {
    for (const digits of DIGITS) {
      const id = idOf(event, digits);
      const brief = await this.store.brief(id);
      if (!mayReport(brief?.reporter ?? null, from)) continue;
      // Without a start it may be ours, of which an end has come first.
      const begun = brief?.start_event_id ?? null;
      if (begun === null || begun === event.event_id) return id;
    }
    throw new Error(`no free session id for event ${event.event_id}`);
  }

  /** @throws Failure (refused) by the rules, or when the store does not take it */
  async end(
    args: Args<"track_session_end">,
    from: Provenance,
  ): Promise<Tracked> {
    const rules = new Rules();
    const event = endOf(args, rules);
    rules.bounds(event);
    rules.check();
    const { session_id } = event;
    if (!isSessionId(session_id))
      return { session_id, status: "not_found", error: null };
    const brief = await this.store.brief(session_id);
    // One that comes before its start is kept for it. Another's is rejected, and
    // that is counted, also when there is nothing left to end; an archived one's,
    // too.
    if (!brief?.ended || brief.archived || !mayReport(brief.reporter, from))
      await appendOne(this.store, event, from);
    const known = (brief?.start_event_id ?? null) !== null || brief?.archived;
    return { session_id, status: known ? "ended" : "not_found", error: null };
  }
}

/** @param rules learn what is wrong; then the event is not to be used */
function startOf(
  args: Args<"track_session_start">,
  rules: Rules,
): SessionStart {
  rules.version(args.event_version, EVENT_VERSION);
  const event_id = rules.uuid("event_id", args.event_id);
  rules.type(args.event_type, "SessionStartEvent", "session_start");
  const component_name = rules.component(args.component_name);
  const timestamp = rules.time("timestamp", args.timestamp);
  const pid = rules.pid(args.pid);
  return {
    event_version: EVENT_VERSION,
    event_id,
    event_type: "session_start",
    session_id: "",
    timestamp,
    session_type: "admin_shell",
    component_name,
    shell_type: args.shell_type,
    hostname: args.hostname,
    pid,
    user: rules.user(args.user),
    environment: rules.environment(args.environment),
    lease_seconds: null,
    ...versioned(givenMetadata(args.metadata)),
  };
}

/** Without the names that decide what a session is. */
export function givenMetadata(
  given: JsonObject | null | undefined,
): JsonObject {
  return Object.fromEntries(
    Object.entries(given ?? {}).filter(([key]) => !isReservedMetadata(key)),
  );
}

/** Some clients call the program's version by another name. */
function versioned(
  metadata: JsonObject,
): Pick<SessionStart, "metadata" | "measured"> {
  const { version = null, component_version = null } = metadata;
  return version === null && component_version !== null
    ? { metadata, measured: { version: component_version } }
    : { metadata };
}

function idOf(event: SessionStart, digits: number): string {
  const { component_name, timestamp, event_id } = event;
  return sessionIdOf(
    component_name,
    new Date(timestamp),
    idHexOf(event_id),
    digits,
  );
}

function endOf(args: Args<"track_session_end">, rules: Rules): SessionEnd {
  rules.type(
    args.event_type ?? "session_end",
    "SessionEndEvent",
    "session_end",
  );
  const session_id = namedSession(args.session_id);
  return {
    event_version: EVENT_VERSION,
    event_id: endEventId(session_id),
    event_type: "session_end",
    session_id,
    timestamp: rules.looseTime("timestamp", args.timestamp),
    end_source: "observed",
    exit_code: null,
    signal: null,
    metadata: givenMetadata(args.metadata),
  };
}

/** Some clients send back all that the start gave them, as JSON. */
export function namedSession(text: string): string {
  if (!text.trimStart().startsWith("{")) return text;
  try {
    const { session_id } = JSON.parse(text) as { session_id?: unknown };
    return typeof session_id === "string" ? session_id : text;
  } catch {
    return text;
  }
}
