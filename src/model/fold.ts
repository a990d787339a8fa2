/**
 * A session is a fold over its events. Every field is a register that the event with
 * the greatest (or smallest) key wins, so that any order of arrival gives the same
 * State. Of several reporters the session is the first one's, or the spool's.
 */
import {
  type Annotation,
  type CommandStart,
  type EndSource,
  type Event,
  type EventKey,
  type JsonObject,
  type KnownEvent,
  type SessionEnd,
  compareEvents,
  isKind,
  isKnown,
  isWatch,
} from "./event.ts";
import {
  type Provenance,
  SPOOL,
  attestedBy,
  claimantOf,
  isRemark,
  isUnquestioned,
  reporterOf,
} from "./reporter.ts";
import {
  type EndFacts,
  type Register,
  type Registers,
  type State,
  emptyState,
} from "./state.ts";

export interface Brought {
  event: Event;
  from: Provenance | null;
}

/** As `foldBrought`, of events of the spool, in any order. */
export function fold(session_id: string, events: Iterable<Event>): State {
  const brought = Iterator.from(events).map((event) => ({
    event,
    from: SPOOL,
  }));
  return foldBrought(session_id, [...brought]);
}

/**
 * The state of one session.
 * @param brought all of that session, each once, in the order of arrival
 */
export function foldBrought(
  session_id: string,
  brought: readonly Brought[],
): State {
  const state = beginFold(session_id, brought);
  for (const { event, from } of brought) apply(state, event, from);
  return state;
}

/**
 * The state before the first event of a session, of which all are then applied in
 * the order of arrival.
 * @param brought of those that one brought, of one kind, the first
 */
export function beginFold(
  session_id: string,
  brought: Iterable<{
    event: Pick<Event, "event_type">;
    from: Provenance | null;
  }>,
): State {
  const state = emptyState(session_id);
  for (const { event, from } of brought) {
    const reporter = claimantOf(event, from);
    state.reporter ??= reporter;
    if (reporter === SPOOL.reporter) state.reporter = reporter;
  }
  return state;
}

/** Whether an event changes the reporter, so that all events are to be folded again. */
export function changesReporter(
  { reporter, annotated_by }: State,
  event: Event,
  from: Provenance | null,
): boolean {
  const by = claimantOf(event, from);
  if (by === null || by === reporter) return false;
  if (reporter === null) return annotated_by !== null && annotated_by !== by;
  return by === SPOOL.reporter;
}

/**
 * Folds an event that was not seen before into a state, in place.
 * @returns whether it is a sign of life
 */
export function apply(
  state: State,
  event: Event,
  from: Provenance | null = SPOOL,
): boolean {
  if (isWatch(event)) return false;
  const standing = standingOf(state, event, from);
  if (standing === "other") {
    if (!isRemark(event)) state.outranked++;
    return false;
  }
  if (isKnown(event)) take(state, event, from, standing);
  if (!isSign(event, from, standing)) return false;
  const at = timeOf(event);
  if (at > state.last_sign) state.last_sign = at;
  if (!WINS.has(event.event_type) && event.received?.clock_skew)
    state.clock_skew = true;
  return true;
}

function take(
  state: State,
  event: KnownEvent,
  from: Provenance | null,
  standing: "own" | "for_all",
): void {
  switch (event.event_type) {
    case "session_start": {
      const {
        event_version: _v,
        event_id: _e,
        event_type: _t,
        session_id: _s,
        metadata,
        measured,
        ...facts
      } = event;
      const attested = attestedBy(event, from);
      const rank = standing === "own" ? 0 : -1;
      const start = register(event, { ...facts, attested }, rank);
      if (!state.start || startBeats(start, state.start)) state.start = start;
      merge(state.given, metadata, event, 0);
      merge(state.measured, measured, event, 0);
      break;
    }
    case "process":
      state.process = later(
        state.process,
        register(event, { pid: event.pid, ppid: event.ppid }, 0),
      );
      break;
    case "annotation":
      merge(state.given, event.metadata, event, 1);
      merge(state.measured, event.measured, event, 1);
      merge(state.tags, tagsOf(event), event, 0);
      merge(state.remarks, remarksOf(event), event, 0);
      learnPython(state, event);
      break;
    case "command_start":
      state.command_count++;
      takeLastCommand(state, event);
      break;
    case "command_end":
      if (isFailure(event.exit_code)) state.failed_commands++;
      break;
    case "session_end":
      merge(state.given, event.metadata, event, 2);
      merge(state.measured, event.measured, event, 2);
      learnPython(state, event);
      takeEnd(state, event, standing);
      break;
  }
}

/** Of the text of the last command, or of the last note, a row has so many at most. */
export const LAST_TEXT_CHARACTERS = 500;

/** One that is added and removed at once is there. */
function tagsOf({ add_tags, remove_tags }: Annotation): JsonObject {
  const tags = Object.create(null) as JsonObject;
  for (const tag of textsOf(remove_tags)) tags[tag] = false;
  for (const tag of textsOf(add_tags)) tags[tag] = true;
  return tags;
}

function remarksOf({ name, note }: Annotation): JsonObject {
  return {
    name: typeof name === "string" ? name : null,
    note: typeof note === "string" ? beginning(note) : null,
  };
}

/** An older version stored whatever came from the wire. */
const textsOf = (texts: unknown): string[] =>
  Array.isArray(texts)
    ? texts.filter((text): text is string => typeof text === "string")
    : [];

/** Of one millisecond the last of the highest pid: a shell counts its own. */
function takeLastCommand(state: State, event: CommandStart): void {
  const { text, pid = 0, seq = 0 } = event;
  const last = state.last_command;
  const order = last
    ? compareText(event.timestamp, last.timestamp) ||
      pid - last.pid ||
      seq - last.seq ||
      compareEvents(event, last)
    : 1;
  if (order <= 0) return;
  // An older version stored whatever came from the wire.
  const value = typeof text === "string" ? beginning(text) : null;
  state.last_command = { ...register(event, value, 0), pid, seq };
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** What is kept of a text. */
export const beginning = (text: string): string =>
  [...text.slice(0, 2 * LAST_TEXT_CHARACTERS)]
    .slice(0, LAST_TEXT_CHARACTERS)
    .join("");

/** Whether an exit status tells of a failure; null tells nothing. */
const isFailure = (exit_code: unknown): boolean =>
  typeof exit_code === "number" && exit_code !== 0;

/** Of an event from the future, when it came. */
const timeOf = ({ timestamp, received }: Event): string =>
  received?.at ?? timestamp;

/**
 * Whether an event is of the session's own reporter, of one that may act for all, or of
 * another. A session without a reporter gets the first that reports of its life; one
 * that annotates it before may turn out to be that.
 */
function standingOf(
  state: State,
  event: Event,
  from: Provenance | null,
): "own" | "for_all" | "other" {
  const by = reporterOf(from);
  const claimant = claimantOf(event, from);
  if (state.reporter === null && claimant !== null) {
    state.reporter = claimant;
    state.annotated_by = null;
  }
  if (isUnquestioned(from) || by === state.reporter) return "own";
  if (from!.acts_for_all) {
    // A later start may make it the reporter.
    if (!isRemark(event)) state.annotated_by = "*";
    return "for_all";
  }
  if (state.reporter !== null) return "other";
  // The reporter of its start is unknown.
  if (state.start !== null) state.annotated_by = "*";
  state.annotated_by ??= by;
  if (state.annotated_by === by) return "own";
  state.annotated_by = "*";
  return "other";
}

/** The own reporter's start wins; of several the first. */
const startBeats = (a: Register<unknown>, b: Register<unknown>): boolean =>
  a.rank === b.rank ? compareEvents(a, b) < 0 : a.rank > b.rank;

/** An end by one that acts for another is declared, not observed. */
function takeEnd(
  state: State,
  event: SessionEnd,
  standing: "own" | "for_all",
): void {
  const { exit_code, signal, received } = event;
  const declared = standing === "for_all" && event.end_source === "observed";
  const end_source = declared ? "declared" : event.end_source;
  const facts = {
    end_source,
    exit_code,
    signal,
    ...(received && { received }),
  };
  const key = { event_id: event.event_id, timestamp: timeOf(event) };
  const end = register(key, facts, END_RANK[end_source]);
  if (!state.end || endBeats(end, state.end)) state.end = end;
}

const WINS: ReadonlySet<string> = new Set(["session_start", "session_end"]);

const LATER = ["command_start", "command_end", "heartbeat"];
const SIGNS = new Set<string>(["session_start", "process", ...LATER]);

/** Whether a kind of event is a sign of life; for ends see `isSign`. */
export const isSignOfLife = ({ event_type }: Event): boolean =>
  SIGNS.has(event_type);

function isSign(
  event: Event,
  from: Provenance | null,
  standing: "own" | "for_all",
): boolean {
  if (isKind(event, "session_end"))
    return event.end_source === "observed" && standing === "own";
  if (isKind(event, "redaction")) return false;
  // As older versions did, so that their events fold to the same.
  return isUnquestioned(from) || isSignOfLife(event);
}

const END_RANK: Record<EndSource, number> = {
  observed: 3,
  declared: 2,
  recovered: 1,
};

/** The first end of the highest rank wins; of recovered ones the last. */
function endBeats(a: Register<EndFacts>, b: Register<EndFacts>): boolean {
  if (a.rank !== b.rank) return a.rank > b.rank;
  const order = compareEvents(a, b);
  return a.rank === END_RANK.recovered ? order > 0 : order < 0;
}

function register<T>(key: EventKey, value: T, rank: number): Register<T> {
  return { timestamp: key.timestamp, event_id: key.event_id, rank, value };
}

function later<T>(a: Register<T> | null, b: Register<T>): Register<T> {
  if (!a) return b;
  const order = a.rank - b.rank || compareEvents(a, b);
  return order > 0 ? a : b;
}

function merge(
  into: Registers,
  values: JsonObject | undefined,
  key: EventKey,
  rank: number,
): void {
  for (const [name, value] of Object.entries(values ?? {}))
    if (value !== null)
      into[name] = later(into[name] ?? null, register(key, value, rank));
}

function learnPython(
  state: State,
  event: EventKey & { python_version?: string },
): void {
  if (event.python_version !== undefined)
    state.python_version = later(
      state.python_version,
      register(event, event.python_version, 0),
    );
}
