/** Metrics for tool calls, and for the sessions that begin and end. */
import { type Event, type SessionEnd, isKind } from "../../model/event.ts";
import { Failure, Rejected } from "../../model/failure.ts";
import { componentOf, isSessionId, startSecondOf } from "../../model/id.ts";
import type { ServedStore } from "../../model/store.ts";
import type { Recorder } from "./recorder.ts";

export type Outcome = { ok: true } | { ok: false; error_type: string };

/** As `Metrics` has them; times in seconds. */
export interface ToolMetrics {
  sessionStart(component: string, shell_type: string): void;
  sessionEnd(component: string, status: EndStatus): void;
  duration(component: string, seconds: number): void;
  emit(
    component: string,
    event_type: string,
    outcome: Outcome,
    seconds: number,
  ): void;
  read(tool: string, command: string, seconds: number): void;
}

/** Stands for the command where none of ours asked. */
export const NO_COMMAND = "mcp";

/** A recorder that counts sessions that begin and measures those that end, each once. */
export function countingRecorder(
  store: ServedStore,
  metrics: ToolMetrics | undefined,
): Recorder {
  if (!metrics) return store;
  return {
    append: async (events, from) =>
      countNew(store.append(events, from), events, (event) =>
        count(event, metrics),
      ),
    summary: (session_id) => store.summary(session_id),
    sessionOf: (event, from) => store.sessionOf(event, from),
    begin: async (start, ...given) => {
      const begun = await store.begin(start, ...given);
      if (begun.how === "new") count(start, metrics);
      return begun;
    },
    going: (conversation) => store.going(conversation),
    seen: (signs, from, theirs) => store.seen(signs, from, theirs),
  };
}

/** Counts those events of an append that are new, be the others rejected. */
export async function countNew(
  appended: Promise<ReadonlySet<string>>,
  events: readonly Event[],
  count: (event: Event) => void,
): Promise<ReadonlySet<string>> {
  const counting = (fresh: ReadonlySet<string>) => {
    for (const event of events) if (fresh.has(event.event_id)) count(event);
    return fresh;
  };
  try {
    return counting(await appended);
  } catch (error) {
    if (error instanceof Rejected) counting(error.stored);
    throw error;
  }
}

/**
 * Counts the sessions that come through the spool, where nobody calls a tool:
 * each start and each end once, when it is stored. An end that nobody saw is
 * none: a sign of life may come after it.
 */
export class SpoolCounter {
  /** Sessions whose end is counted; a second one may follow a declared one. */
  private readonly ended = new Set<string>();

  constructor(private readonly metrics: ToolMetrics) {}

  /** @param event new to the store */
  count(event: Event): void {
    if (isKind(event, "session_end")) this.end(event);
    else count(event, this.metrics);
  }

  private end(event: SessionEnd): void {
    const { session_id, end_source } = event;
    if (end_source === "recovered" || this.ended.has(session_id)) return;
    this.ended.add(session_id);
    const [oldest] = this.ended;
    if (this.ended.size > MAX_ENDED) this.ended.delete(oldest!);
    this.metrics.sessionEnd(labelOf(session_id), "success");
    count(event, this.metrics);
  }
}

const MAX_ENDED = 10_000;

function count(event: Event, metrics: ToolMetrics): void {
  if (isKind(event, "session_start"))
    metrics.sessionStart(event.component_name, event.shell_type);
  if (!isKind(event, "session_end")) return;
  const seconds = secondsOf(event);
  if (seconds !== null) metrics.duration(labelOf(event.session_id), seconds);
}

/** As far as the session's id tells: to the second. */
function secondsOf({ session_id, timestamp }: SessionEnd): number | null {
  const start = startSecondOf(session_id);
  if (start === null) return null;
  return Math.max(0, (Date.parse(timestamp) - Date.parse(`${start}Z`)) / 1_000);
}

export const UNKNOWN = "unknown";

/** The component in a session's id. */
export const labelOf = (session_id: string): string =>
  (isSessionId(session_id) && componentOf(session_id)) || UNKNOWN;

type EndStatus = "success" | "error" | "not_found";

/** What is counted of one call of a tool that records. */
export interface CallCount {
  event_type: string;
  component: string;
  /** Sessions that it ended, or tried to. */
  ends: { component: string; status: EndStatus }[];
}

/**
 * One report of a start, an end, or of what goes on.
 * @param component as it was sent, when it was
 * @param result null when the call failed
 */
export function countOne(
  event_type: string,
  component: string | undefined,
  result: { session_id: string | null; status: string } | null,
): CallCount {
  const found = result !== null && result.status !== "not_found";
  // Of what is not stored nobody has checked the name.
  const label = found
    ? (component ?? labelOf(result.session_id ?? ""))
    : UNKNOWN;
  const missing = result ? "not_found" : "error";
  const end: EndStatus = found ? "success" : missing;
  const ends = event_type.endsWith("_end")
    ? [{ component: label, status: end }]
    : [];
  return { event_type, component: label, ends };
}

/** @param failure why there is no result; null when there is one */
export function countCall(
  { event_type, component, ends }: CallCount,
  failure: unknown,
  seconds: number,
  metrics: ToolMetrics,
): void {
  for (const end of ends) metrics.sessionEnd(end.component, end.status);
  const outcome: Outcome =
    failure === null
      ? { ok: true }
      : {
          ok: false,
          error_type: failure instanceof Failure ? failure.code : "internal",
        };
  metrics.emit(component, event_type, outcome, seconds);
}
