/**
 * Events for tests: whole ones with one thing changed, and random lives of
 * sessions.
 */
import {
  type Annotation,
  EVENT_VERSION,
  type Event,
  type JsonObject,
  type Process,
  type SessionEnd,
  type SessionStart,
} from "../../src/model/event.ts";
import { sessionIdOf } from "../../src/model/id.ts";
import { Random } from "./random.ts";

export const T0 = Date.parse("2026-02-06T12:34:56.000Z");
export const ID = "bash-20260206-123456-1a2b3c4d";

/** The moment so many seconds after T0. */
export const at = (seconds: number) =>
  new Date(T0 + seconds * 1_000).toISOString();

const base = (session_id: string, seconds: number) => ({
  event_version: EVENT_VERSION,
  event_id: crypto.randomUUID() as string,
  session_id,
  timestamp: at(seconds),
});

export function start(changes: Partial<SessionStart> = {}): SessionStart {
  return {
    ...base(ID, 0),
    event_type: "session_start",
    session_type: "admin_shell",
    component_name: "bash",
    shell_type: "bash",
    hostname: "host",
    pid: 100,
    ppid: 99,
    start_ticks: 1_000,
    user: { username: "les", home: "/home/les" },
    environment: { python_version: null, platform: "Linux", cwd: "/srv" },
    metadata: {},
    ...changes,
  };
}

export function processOf(
  seconds: number,
  changes: Partial<Process> = {},
): Process {
  return {
    ...base(ID, seconds),
    event_type: "process",
    pid: 101,
    ppid: 100,
    start_ticks: 1_001,
    pid_namespace: "pid:[1]",
    boot_id: "boot",
    ...changes,
  };
}

export function annotation(
  seconds: number,
  changes: Partial<Annotation> = {},
): Annotation {
  return { ...base(ID, seconds), event_type: "annotation", ...changes };
}

export function command(seconds: number, changes: object = {}): Event {
  return { ...base(ID, seconds), event_type: "command_start", ...changes };
}

export function end(
  seconds: number,
  changes: Partial<SessionEnd> = {},
): SessionEnd {
  return {
    ...base(ID, seconds),
    event_type: "session_end",
    end_source: "observed",
    exit_code: 0,
    signal: null,
    ...changes,
  };
}

export function recovered(
  seconds: number,
  changes: Partial<SessionEnd> = {},
): SessionEnd {
  return end(seconds, { end_source: "recovered", exit_code: null, ...changes });
}

export function unknown(seconds: number, changes: object = {}): Event {
  return { ...base(ID, seconds), event_type: "moon_phase", ...changes };
}

const KEYS = [
  "version",
  "adapters",
  "team",
  "__proto__",
  "constructor",
  "toString",
  "exit_code",
  "lease",
  "clock_skew",
  "7",
  "",
  "ключ",
];
const VALUES = [
  null,
  true,
  0,
  -1.5,
  "",
  "text",
  "null",
  [],
  [null],
  { a: { b: 1 } },
];

const TAGS = ["prod", "test", "__proto__", "", "7"];

export function randomMetadata(random: Random): JsonObject {
  const out = Object.create(null) as JsonObject;
  for (let n = random.int(0, 4); n > 0; n--)
    out[random.pick(KEYS)] = random.pick(VALUES);
  return out;
}

/** Everything that may happen in a session, in no order; times often tie. */
export function randomLife(random: Random, session_id?: string): Event[] {
  const begun = random.int(0, 3);
  const event_id = random.uuid();
  const id =
    session_id ??
    sessionIdOf(
      random.pick(["bash", "zsh", "mahavishnu"]),
      new Date(at(begun)),
      event_id,
    );
  const time = () => at(random.int(0, 12));
  const common = () => ({
    session_id: id,
    event_id: random.uuid(7),
    timestamp: time(),
  });
  const facts = () => ({
    ...(random.chance(0.6) && { metadata: randomMetadata(random) }),
    ...(random.chance(0.6) && { measured: randomMetadata(random) }),
    ...(random.chance(0.3) && {
      python_version: random.pick(["3.11.2", "3.12.0"]),
    }),
  });
  const source = () =>
    random.pick(["observed", "declared", "recovered", "recovered"] as const);
  const makers: (() => Event)[] = [
    () => processOf(0, { ...common(), pid: random.int(1, 9_999) }),
    () =>
      annotation(0, {
        ...{ ...common(), ...facts() },
        ...(random.chance(0.5) && { name: random.pick(["", "day shift"]) }),
        ...(random.chance(0.5) && { add_tags: [random.pick(TAGS)] }),
        ...(random.chance(0.5) && { remove_tags: [random.pick(TAGS)] }),
        ...(random.chance(0.5) && { note: "n".repeat(random.int(0, 600)) }),
      } as Partial<Annotation>),
    () => command(0, common()),
    () => unknown(0, { ...common(), metadata: randomMetadata(random) }),
    () =>
      end(0, {
        ...common(),
        ...facts(),
        end_source: source(),
        exit_code: random.pick([0, 1, 255, null]),
        signal: random.pick([null, "SIGKILL"]),
      } as Partial<SessionEnd>),
  ];
  const events: Event[] = Array.from({ length: random.int(0, 12) }, () =>
    random.pick(makers)(),
  );
  const starts = random.pick([0, 1, 1, 1, 1, 2]);
  for (let n = 0; n < starts; n++)
    events.push(
      start({
        ...common(),
        event_id: n === 0 ? event_id : random.uuid(),
        timestamp: at(begun + n),
        name: random.pick([null, "night shift"]),
        ...(random.chance(0.5) && { tags: [random.pick(TAGS)] }),
        metadata: randomMetadata(random),
        ...(random.chance(0.5) && { measured: randomMetadata(random) }),
      }),
    );
  return events;
}
