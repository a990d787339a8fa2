/**
 * The state of a session: the registers that its events write, and the JSON in
 * which the registers of an open session are stored beside its row.
 */
import type { EventKey, Json, SessionEnd, SessionStart } from "./event.ts";
import type { Attested } from "./reporter.ts";

/** A value and the event that wrote it. */
export interface Register<T> extends EventKey {
  rank: number;
  value: T;
}

export type Registers = { [key: string]: Register<Json> };

export type StartFacts = Omit<
  SessionStart,
  | "event_version"
  | "event_id"
  | "event_type"
  | "session_id"
  | "metadata"
  | "measured"
> & { attested: Attested | null };
export type EndFacts = Pick<
  SessionEnd,
  "end_source" | "exit_code" | "signal" | "received"
>;

/** The registers of one session. Plain JSON: see `stateJson`. */
export interface State {
  session_id: string;
  start: Register<StartFacts> | null;
  process: Register<{ pid: number; ppid: number }> | null;
  python_version: Register<string> | null;
  given: Registers;
  measured: Registers;
  end: Register<EndFacts> | null;
  last_sign: string;
  command_count: number;
  /** Whose session it is; null while nobody has reported of its life. */
  reporter: string | null;
  /** While it is nobody's: who has annotated it; `*` for several, or for all. */
  annotated_by: string | null;
  /** Events of its life that do not count: the spool outranks who brought them. */
  outranked: number;
  /** One of its signs of life was told of a time that was still to come. */
  clock_skew?: true;
}

export function emptyState(session_id: string): State {
  return {
    session_id,
    start: null,
    process: null,
    python_version: null,
    given: Object.create(null) as Registers,
    measured: Object.create(null) as Registers,
    end: null,
    last_sign: "",
    command_count: 0,
    reporter: null,
    annotated_by: null,
    outranked: 0,
  };
}

/**
 * A state as JSON, as it is kept beside its row. All that is as `emptyState` has
 * it is left out, and what most registers share: the event of the start.
 */
export function stateJson(state: State): string {
  const { start } = state;
  const without: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(state) as [keyof State, Json][])
    if (value !== NOTHING[key]) without[key] = value;
  for (const key of ["given", "measured"] as const)
    without[key] = registersWithout(start, state[key]);
  return JSON.stringify(without);
}

const NOTHING = { ...emptyState(""), reporter: undefined };

function registersWithout(start: State["start"], registers: Registers) {
  const short = Object.create(null) as Record<string, unknown>;
  let some = false;
  for (const [name, register] of Object.entries(registers)) {
    some = true;
    const { rank, value } = register;
    short[name] = isOf(start, register) ? { rank, value } : register;
  }
  return some ? short : undefined;
}

const isOf = (start: State["start"], key: EventKey): boolean =>
  key.event_id === start?.event_id && key.timestamp === start.timestamp;

/**
 * A state out of its JSON. Registers are named by others, so their objects
 * must not know any name by themselves, such as `constructor`.
 * @param row of the same session: an older version wrote down there alone whose it is
 */
export function parseState(
  json: string,
  row: { reporter: string | null; attested: Attested | null } | null = null,
): State {
  const kept = JSON.parse(json) as Partial<State>;
  const state = { ...emptyState(""), ...kept };
  for (const key of ["given", "measured"] as const) {
    const registers = state[key];
    Object.setPrototypeOf(registers, null);
    for (const register of Object.values(registers))
      if (register.event_id === undefined) {
        register.event_id = state.start!.event_id;
        register.timestamp = state.start!.timestamp;
      }
  }
  if (kept.reporter !== undefined) return state;
  state.reporter = row?.reporter ?? null;
  if (state.start) state.start.value.attested = row?.attested ?? null;
  return state;
}
