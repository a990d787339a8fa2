/** Whether what everything needs is there. */
import { accessSync, constants } from "node:fs";
import { type Failure, fail } from "../model/failure.ts";
import { passwdEntry } from "../os/paths.ts";
import type { Findings } from "./findings.ts";
import { type Step, require } from "./step.ts";
import type { World } from "./world.ts";

/** Shells that take what is typed here. */
const KNOWN = /\/(bash|zsh|fish|sh|dash|ash|ksh|mksh|tcsh|csh)$/;

export function environmentSteps(
  world: World,
  { shell }: Findings,
  broken: Failure | null,
): Step[] {
  return [
    {
      name: "executable",
      says: "Executable runs",
      async look() {
        const text = await world.succeed("version", "--json");
        const { version, platform } = JSON.parse(text) as {
          [name in "version" | "platform"]: string;
        };
        return `version ${version}, ${platform}`;
      },
    },
    {
      name: "configuration",
      says: "Your configuration is valid",
      look() {
        if (broken) throw broken;
        return "nothing in it is refused";
      },
    },
    {
      name: "dependencies",
      says: "All dependencies installed",
      async look() {
        const text = await world.succeed("list-sessions", "--json");
        require(text.trim() === "[]", `a new database has sessions: ${text}`);
        return "DuckDB's library loads, and makes a database";
      },
    },
    {
      name: "shell_program",
      says: "Shell installed",
      look: () => shell.set(shellHere()),
    },
  ];
}

/** The user's own where it is one that we can type into, else /bin/sh. */
function shellHere(): string {
  const own = process.env["SHELL"] || passwdEntry()?.shell || "/bin/sh";
  const found = KNOWN.test(own) ? own : "/bin/sh";
  try {
    accessSync(found, constants.X_OK);
    return found;
  } catch (error) {
    throw fail.unhealthy(
      `'${found}' cannot be run`,
      "set SHELL to one that is there",
      { cause: error },
    );
  }
}
