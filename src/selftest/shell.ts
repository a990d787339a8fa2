/** A shell on a terminal: it starts, says that it is recorded, and takes a command. */
import { fail } from "../model/failure.ts";
import type { Findings } from "./findings.ts";
import { type Step, require } from "./step.ts";
import type { World } from "./world.ts";

export const COMPONENT = "mahavishnu";
/** As a shell of that family has them. */
export const ADAPTERS = ["prefect", "llamaindex", "agno"];
/** What is typed; the shell alone says it without quotes. */
export const COMMAND = "echo ready''42";

export function shellSteps(
  world: World,
  { shell, terminal, session_id }: Findings,
): Step[] {
  return [
    {
      name: "shell_starts",
      says: "Shell starts without errors",
      async look() {
        const program = shell.get();
        const shown = terminal.set(
          world.terminal(
            ...["shell", "--component", COMPONENT],
            ...["--meta", `adapters=${JSON.stringify(ADAPTERS)}`],
            ...["--", program],
          ),
        );
        await shown.expect(/Session-Buddy v\S+ - /, "the banner's first line");
        return `session-buddy shell -- ${program}`;
      },
    },
    {
      name: "banner",
      says: 'Banner shows "Session Tracking: ✓ Enabled"',
      async look() {
        const [, tracking] = await terminal
          .get()
          .expect(/Session Tracking: (.*?)\r?\n/, "the banner");
        if (tracking !== "✓ Enabled")
          throw fail.unhealthy(
            `it shows "Session Tracking: ${tracking}"`,
            "do what it says; see: session-buddy doctor",
          );
        const [, id] = await terminal
          .get()
          .expect(/Session ID: (\S+)/, "the session's id");
        return `Session ID: ${session_id.set(id!)}`;
      },
    },
    {
      name: "shell_loads",
      says: "Shell environment loads",
      async look() {
        const shown = terminal.get();
        shown.line(COMMAND);
        const [answer] = await shown.expect(/ready42/, "what was echoed");
        require(answer === "ready42", `it shows ${answer}`);
        return "a command that was typed has run";
      },
    },
  ];
}
