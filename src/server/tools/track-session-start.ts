/**
 * track_session_start: a shell reports that it began. A start is known by its
 * event_id, so it may be sent again; its end may come before it.
 */
import { z } from "zod";
import { EVENT_VERSION, type SessionStart } from "../../model/event.ts";
import { idHexOf, sessionIdOf } from "../../model/id.ts";
import { integer, metadata, text, timestamp, tracked } from "./fields.ts";
import { beginOne } from "./recorder.ts";
import { reporterFacts } from "./reporter.ts";
import { Rules, givenMetadata } from "./rules.ts";
import { countOne } from "./telemetry.ts";
import { tool } from "./tool.ts";

/** How much of the hex an id may take, least first. */
const DIGITS = [8, 12, 16, 20, 24, 28, 32];

const input = z.strictObject({
  event_version: text.describe('"1.0"'),
  event_id: text.describe(
    "A UUID, made once by the caller: the same id again changes nothing",
  ),
  event_type: text.describe('"session_start"'),
  component_name: text.describe(
    "What the shell belongs to: letters, digits, _ and -, at most 100",
  ),
  shell_type: text.describe("ipython, bash…; may be empty"),
  timestamp,
  pid: integer.describe("The shell's process id, 1 to 4194304"),
  user: z
    .looseObject({ username: text.optional(), home: text.optional() })
    .describe(
      "username (at most 100 characters) and home (at most 500), both required",
    ),
  hostname: text.describe("May be empty"),
  environment: z
    .looseObject({
      python_version: text.optional(),
      platform: text.optional(),
      cwd: text.optional(),
    })
    .describe(
      "python_version, platform and cwd (at most 500 characters), all required",
    ),
  metadata,
});

export const trackSessionStart = tool({
  name: "track_session_start",
  title: "Track the start of a shell session",
  description:
    'Records that an admin shell began, and gives the session_id to send with its end. Call it once, when the shell opens; the same event_id again gives the same session. Example: {"event_version":"1.0","event_id":"550e8400-e29b-41d4-a716-446655440000","event_type":"session_start","component_name":"mahavishnu","shell_type":"ipython","timestamp":"2026-02-06T12:34:56.789Z","pid":12345,"user":{"username":"les","home":"/home/les"},"hostname":"db1","environment":{"python_version":"3.13.1","platform":"Linux-6.1-x86_64","cwd":"/srv"}}',
  access: "record",
  input,
  output: z.object(tracked("tracked", "error")),
  run({ recorder, spool }) {
    return async (args, { caller, from }) => {
      const rules = new Rules();
      const event = startOf(args, rules);
      rules.bounds(event);
      rules.check();
      Object.assign(event, reporterFacts(event.pid, caller, spool));
      const { session_id } = await beginOne(
        recorder,
        event,
        idsOf(event),
        from,
      );
      return { session_id, status: "tracked", error: null };
    };
  },
  count: ({ component_name }, result) =>
    countOne("session_start", component_name, result),
  failed: {
    sentence: "Session start tracking failed",
    sent: () => ({ session_id: null }),
  },
});

/** @param rules learn what is wrong; then the event is not to be used */
function startOf(args: z.output<typeof input>, rules: Rules): SessionStart {
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

/** Some clients call the program's version by another name. */
function versioned(
  metadata: SessionStart["metadata"],
): Pick<SessionStart, "metadata" | "measured"> {
  const { version = null, component_version = null } = metadata;
  return version === null && component_version !== null
    ? { metadata, measured: { version: component_version } }
    : { metadata };
}

/** The shortest comes first: most have no other beside them. */
const idsOf = ({ component_name, timestamp, event_id }: SessionStart) =>
  DIGITS.map((digits) =>
    sessionIdOf(component_name, new Date(timestamp), idHexOf(event_id), digits),
  );
