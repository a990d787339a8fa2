/**
 * The command tree: each command is loaded when it is called.
 */
import { type CommandDef, defineCommand, runCommand } from "citty";
import { type ArgSpec, nearest, strictArgs } from "./args.ts";
import { SHELL_HELP } from "./cli/shell.ts";
import { Failure } from "./model/failure.ts";
import { Output } from "./os/output.ts";
import { columns, commandHelp } from "./render/help.ts";
import { VERSION } from "./version.ts";

type Load = () => Promise<CommandDef>;
// Definitions differ in their flags' types; here only their shape counts.
const load = (module: Promise<{ default: unknown }>) =>
  module.then((m) => m.default as CommandDef);

const listSessions: Load = () => load(import("./cli/list-sessions.ts"));
const showSession: Load = () => load(import("./cli/show-session.ts"));

const COMMANDS = new Map<string, Load>([
  [
    "shell",
    // Routed before this tree; here for the overview and the suggestions.
    async () => defineCommand({ meta: { description: SHELL_HELP } }),
  ],
  ["list-sessions", listSessions],
  ["show-session", showSession],
  ["version", () => load(import("./cli/version.ts"))],
]);

const ALIASES = new Map<string, Load>([
  ["ls", listSessions],
  ["show", showSession],
  ["get-session", showSession],
  ["--version", () => load(import("./cli/version.ts"))],
  ["-V", () => load(import("./cli/version.ts"))],
]);

export async function runTree([
  name,
  ...words
]: readonly string[]): Promise<number> {
  if (name === undefined) throw usage("no command was given");
  if (name === "help" || isHelp(name)) {
    print(await (words[0] === undefined ? overview() : help(words[0])));
    return 0;
  }
  const command = await find(name);
  if (words.some((w, i) => isHelp(w) && !words.slice(0, i).includes("--"))) {
    print(await help(name));
    return 0;
  }
  const specs = (command.args ?? {}) as Record<string, ArgSpec>;
  await runCommand(command, { rawArgs: strictArgs(name, words, specs) });
  return 0;
}

const isHelp = (word: string) => word === "-h" || word === "--help";

/** @throws Failure (usage) suggesting the nearest command */
function find(name: string): Promise<CommandDef> {
  const found = COMMANDS.get(name) ?? ALIASES.get(name);
  if (found) return found();
  const near = nearest(name, [...COMMANDS.keys(), ...ALIASES.keys()]);
  throw usage(
    name.startsWith("-")
      ? `there is no flag '${name}' before a command`
      : `there is no command '${name}'`,
    near && `did you mean ${near}?`,
  );
}

function usage(sentence: string, hint?: string | null): Failure {
  return new Failure("usage", sentence, hint || "try: session-buddy --help");
}

function print(text: string): void {
  const output = new Output();
  output.write(text);
  output.flush();
}

async function help(name: string): Promise<string> {
  return name === "shell" ? SHELL_HELP : commandHelp(await find(name));
}

async function overview(): Promise<string> {
  const rows: [string, string][] = [];
  for (const [name, command] of COMMANDS) {
    const { description } = (await command()).meta as { description: string };
    rows.push([name, description.split("\n", 1)[0]!.replace(/\.$/, "")]);
  }
  return `session-buddy ${VERSION}: the flight recorder for admin shells

USAGE  session-buddy COMMAND [flags]

COMMANDS
${columns(rows).join("\n")}

  ls = list-sessions, show = get-session = show-session
  session-buddy help COMMAND says more, with examples

EXAMPLES
  session-buddy shell
  session-buddy list-sessions --status active
  session-buddy show-session
`;
}
