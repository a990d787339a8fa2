/**
 * What the metrics are told of the tools' work.
 */
import type {
  Event,
  JsonObject,
  KnownEvent,
  SessionEnd,
} from "../../model/event.ts";
import { Failure, Rejected } from "../../model/failure.ts";
import { componentOf, isSessionId, startSecondOf } from "../../model/id.ts";
import type { EventResult, ServedStore } from "../../model/store.ts";

export type Outcome = { ok: true } | { ok: false; error_type: string };

/** As `Metrics` has them; times in seconds. */
export interface ToolMetrics {
  sessionStart(component: string, shell_type: string): void;
  sessionEnd(
    component: string,
    status: "success" | "error" | "not_found",
  ): void;
  duration(component: string, seconds: number): void;
  emit(
    component: string,
    event_type: string,
    outcome: Outcome,
    seconds: number,
  ): void;
}

/** What recording needs of a store. */
export type Recorder = Pick<
  ServedStore,
  "append" | "brief" | "open" | "seen" | "sessionOf"
>;

/** Counts sessions that begin and measures those that end, each once. */
export function counted(
  store: ServedStore,
  metrics: ToolMetrics | undefined,
): Recorder {
  if (!metrics) return store;
  return {
    append: async (events, from) => {
      const counting = (fresh: ReadonlySet<string>) => {
        for (const event of events)
          if (fresh.has(event.event_id)) count(event, metrics);
        return fresh;
      };
      try {
        return counting(await store.append(events, from));
      } catch (error) {
        if (error instanceof Rejected) counting(error.stored);
        throw error;
      }
    },
    brief: (session_id) => store.brief(session_id),
    sessionOf: (event, from) => store.sessionOf(event, from),
    open: (session_type) => store.open(session_type),
    seen: (signs, from, theirs) => store.seen(signs, from, theirs),
  };
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

  /** @param stored ids of those that are new to the store */
  count(events: readonly Event[], stored: ReadonlySet<string>): void {
    for (const event of events) {
      if (!stored.has(event.event_id)) continue;
      const known = event as KnownEvent;
      if (known.event_type === "session_end") this.end(known);
      else count(known, this.metrics);
    }
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
  const known = event as KnownEvent;
  if (known.event_type === "session_start")
    metrics.sessionStart(known.component_name, known.shell_type);
  if (known.event_type !== "session_end") return;
  const seconds = secondsOf(known);
  if (seconds !== null) metrics.duration(labelOf(known.session_id), seconds);
}

/** As far as the session's id tells: to the second. */
function secondsOf({ session_id, timestamp }: SessionEnd): number | null {
  const start = startSecondOf(session_id);
  if (start === null) return null;
  return Math.max(0, (Date.parse(timestamp) - Date.parse(`${start}Z`)) / 1_000);
}

const UNKNOWN = "unknown";

/** The component in a session's id. */
const labelOf = (session_id: string): string =>
  (isSessionId(session_id) && componentOf(session_id)) || UNKNOWN;

/** One report of a start, an end, or of what goes on. */
export interface Call {
  event_type: string;
  /** As it was sent, when it was. */
  component_name: string | undefined;
  result: { session_id: string | null; status: string } | null;
  /** Why there is no result. */
  failure: unknown;
  seconds: number;
}

export function countCall(call: Call, metrics: ToolMetrics): void {
  const { event_type, result, failure, seconds } = call;
  const found = result !== null && result.status !== "not_found";
  // Of what is not stored nobody has checked the name.
  const component = found
    ? (call.component_name ?? labelOf(result.session_id ?? ""))
    : UNKNOWN;
  const outcome = result ? ({ ok: true } as const) : failed(failure);
  metrics.emit(component, event_type, outcome, seconds);
  if (!event_type.endsWith("_end")) return;
  const missing = result ? "not_found" : "error";
  metrics.sessionEnd(component, found ? "success" : missing);
}

/**
 * A call with many events counts once, beside the sessions that it ends.
 * @param results null when the whole call failed
 */
export function countBatch(
  events: readonly JsonObject[],
  results: readonly EventResult[] | null,
  failure: unknown,
  seconds: number,
  metrics: ToolMetrics,
): void {
  let last: unknown = null;
  for (const [i, { status }] of (results ?? []).entries()) {
    if (status === "rejected") continue;
    const { event_type, session_id } = events[i]!;
    last = session_id;
    if (event_type === "session_end" && status === "stored")
      metrics.sessionEnd(labelOf(String(session_id)), "success");
  }
  const component = last === null ? UNKNOWN : labelOf(String(last));
  const outcome = results ? ({ ok: true } as const) : failed(failure);
  metrics.emit(component, "track_events", outcome, seconds);
}

const failed = (failure: unknown): Outcome => ({
  ok: false,
  error_type: failure instanceof Failure ? failure.code : "internal",
});
