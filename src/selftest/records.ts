/** What was recorded of the shell: while it runs, when it has ended, its metadata. */
import { isSessionId } from "../model/id.ts";
import type { Findings, Recorded } from "./findings.ts";
import { ADAPTERS, COMMAND, COMPONENT } from "./shell.ts";
import { type Step, require } from "./step.ts";
import type { World } from "./world.ts";

/** How far a start may be from now: a slow machine, not another day. */
const LATE_MS = 300_000;
/** How long the wrapper may take to count the executables. */
const FACTS_MS = 10_000;
const LOOK_MS = 50;

/** The shells that say which version they are. */
const TELLS_VERSION = /\/(bash|zsh|fish)$/;

export function recordSteps(world: World, findings: Findings) {
  const { shell, active, ended, session_id, terminal } = findings;
  const is = (
    name: string,
    says: string,
    look: (session: Recorded) => unknown,
    from = active,
  ): Step => ({ name, says, look: () => String(look(from.get())) });
  const field = (name: string, says: string, holds: (v: unknown) => boolean) =>
    is(
      name,
      says,
      ({ metadata }) => {
        const value = metadata[name];
        require(holds(value), `${name} is ${JSON.stringify(value)}`);
        return JSON.stringify(value);
      },
      ended,
    );
  const recording: Step[] = [
    {
      name: "session_in_database",
      says: "Session appears in database",
      async look() {
        const id = session_id.get();
        const type = ["--type", "admin_shell"];
        const text = await world.succeed("list-sessions", ...type, "--json");
        const rows = JSON.parse(text) as Recorded[];
        const row = rows.find((each) => each.session_id === id);
        require(row !==
          undefined, `${id} is not among ${rows.length} sessions`);
        return `${active.set(row!).session_id} is ${row!.status}`;
      },
    },
    is("session_id", "Session has valid ID", ({ session_id: id }) => {
      require(isSessionId(id), `'${id}' is none`);
      require(id.startsWith(`${COMPONENT}-`), `'${id}' is another component's`);
      return id;
    }),
    is("start_time", "start_time is set", ({ start_time }) => {
      const age_ms = Date.now() - Date.parse(start_time ?? "");
      require(Math.abs(age_ms) < LATE_MS, `it is ${start_time}`);
      return start_time;
    }),
    is("component", `Component is "${COMPONENT}"`, ({ component_name }) => {
      require(component_name === COMPONENT, `it is '${component_name}'`);
      return component_name;
    }),
    is("session_type", 'session_type is "admin_shell"', (session) => {
      const { session_type } = session;
      require(session_type === "admin_shell", `it is '${session_type}'`);
      return session_type;
    }),
  ];
  const completion: Step[] = [
    {
      name: "shell_exits",
      says: "Shell exits cleanly",
      async look() {
        const shown = terminal.get();
        await factsOf(session_id.get());
        shown.line("exit");
        const status = await shown.status();
        require(status === 0, `its exit status is ${status}`);
        return "exit status 0";
      },
    },
    {
      name: "end_time",
      says: "end_time is set",
      async look() {
        const session = await show(session_id.get());
        const { status, end_time } = session;
        require(status === "ended" && end_time !== null, `it is ${status}`);
        ended.set(session);
        return end_time!;
      },
    },
    is(
      "duration_calculated",
      "duration_seconds is calculated",
      ({ duration_seconds, start_time, end_time }) => {
        const span_ms = Date.parse(end_time!) - Date.parse(start_time!);
        const told_ms = (duration_seconds ?? NaN) * 1000;
        require(Math.abs(told_ms - span_ms) <
          1, `${duration_seconds} s from ${start_time} to ${end_time}`);
        return duration_seconds;
      },
      ended,
    ),
    is(
      "duration_reasonable",
      "Duration is positive and reasonable",
      ({ duration_seconds: seconds }) => {
        const most = LATE_MS / 1000;
        require(seconds! > 0 && seconds! < most, `it is ${seconds} s`);
        return `${seconds} s`;
      },
      ended,
    ),
    is(
      "commands_recorded",
      "Commands are recorded",
      ({ commands = [], metadata }) => {
        // Of a shell without hooks there are none.
        if (metadata["cli_preprocessing_enabled"] !== true)
          return "this shell has no hooks";
        const texts = commands.map(({ text }) => text);
        require(texts.includes(COMMAND), `they are ${JSON.stringify(texts)}`);
        return COMMAND;
      },
      ended,
    ),
  ];
  const isBoolean = (value: unknown) => typeof value === "boolean";
  const metadata: Step[] = [
    is(
      "metadata_component",
      `component: "${COMPONENT}"`,
      ({ component_name }) => component_name,
      ended,
    ),
    field("version", "version: populated", (version) =>
      // Of some there is none to be had.
      TELLS_VERSION.test(shell.get())
        ? typeof version === "string" && version !== ""
        : version === null || typeof version === "string",
    ),
    field(
      "adapters",
      "adapters: list of enabled adapters",
      (v) => JSON.stringify(v) === JSON.stringify(ADAPTERS),
    ),
    field(
      "cli_preprocessing_enabled",
      "cli_preprocessing_enabled: true/false",
      isBoolean,
    ),
    field(
      "tab_completion_enabled",
      "tab_completion_enabled: true/false",
      isBoolean,
    ),
    field(
      "command_tree_size",
      "command_tree_size: positive integer",
      (v) => Number.isInteger(v) && Number(v) > 0,
    ),
  ];
  return { recording, completion, metadata };

  async function show(id: string): Promise<Recorded> {
    const text = await world.succeed("show-session", id, "--format", "json");
    return JSON.parse(text) as Recorded;
  }

  /** What the wrapper asks for behind the shell's start is annotated while it runs. */
  async function factsOf(id: string): Promise<void> {
    const deadline = performance.now() + FACTS_MS;
    while (performance.now() < deadline) {
      const { metadata } = await show(id);
      if (typeof metadata["command_tree_size"] === "number") return;
      await Bun.sleep(LOOK_MS);
    }
  }
}
