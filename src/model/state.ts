/** The state of a session: the registers that its events write, and their JSON. */
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
/** The place of a command among those of the same millisecond. */
export interface CommandKey {
  pid: number;
  seq: number;
}
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
  /** Of tags that were added (true) or removed (false) since the start. */
  tags: Registers;
  /** The `name` that it got since, and the beginning of the last `note` on it. */
  remarks: Registers;
  end: Register<EndFacts> | null;
  last_sign: string;
  command_count: number;
  /** Those that ended with another exit status than 0. */
  failed_commands: number;
  /** The beginning of the last one's text; null where that is not kept. */
  last_command: (Register<string | null> & CommandKey) | null;
  /** null while none has reported of its life. */
  reporter: string | null;
  /** Who has annotated it before; `*` for several, or one that acts for all. */
  annotated_by: string | null;
  /** How many events do not count, as the spool outranks their reporter. */
  outranked: number;
  /** A sign of life was from the future. */
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
    tags: Object.create(null) as Registers,
    remarks: Object.create(null) as Registers,
    end: null,
    last_sign: "",
    command_count: 0,
    failed_commands: 0,
    last_command: null,
    reporter: null,
    annotated_by: null,
    outranked: 0,
  };
}

/** A state as JSON, without what `emptyState` has and the key of the start event. */
export function stateJson(state: State): string {
  const { start } = state;
  const without: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(state) as [keyof State, Json][])
    if (value !== NOTHING[key]) without[key] = value;
  for (const key of REGISTERS)
    without[key] = registersWithout(start, state[key]);
  return JSON.stringify(without);
}

const REGISTERS = ["given", "measured", "tags", "remarks"] as const;

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
 * A state from its JSON. Clients name the registers, so those objects have no
 * prototype.
 * @param row of the same session, where an older version wrote the reporter
 */
export function parseState(
  json: string,
  row: { reporter: string | null; attested: Attested | null } | null = null,
): State {
  const kept = JSON.parse(json) as Partial<State>;
  const state = { ...emptyState(""), ...kept };
  for (const key of REGISTERS) {
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
