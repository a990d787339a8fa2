/**
 * The command tree: each command is loaded when it is called.
 */
import { type CommandDef, defineCommand, runCommand } from "citty";
import { type ArgSpec, nearest, strictArgs } from "./args.ts";
import { SHELL_HELP } from "./commands/shell.ts";
import { Failure } from "../model/failure.ts";
import { Output } from "../os/output.ts";
import { columns, commandHelp } from "../render/help.ts";
import { VERSION } from "../version.ts";

type Load = () => Promise<CommandDef>;
// Definitions differ in their flags' types; here only their shape counts.
const load = (module: Promise<{ default: unknown }>) =>
  module.then((m) => m.default as CommandDef);

const listSessions: Load = () => load(import("./commands/list-sessions.ts"));
const health: Load = () => load(import("./commands/mcp-health.ts"));
const showSession: Load = () => load(import("./commands/show-session.ts"));

/** By their full names; `mcp` is a group and no command of its own. */
const COMMANDS = new Map<string, Load>([
  [
    "shell",
    // Routed before this tree; here for the overview and the suggestions.
    async () => defineCommand({ meta: { description: SHELL_HELP } }),
  ],
  ["list-sessions", listSessions],
  ["show-session", showSession],
  ["mcp start", () => load(import("./commands/mcp-start.ts"))],
  ["mcp stop", () => load(import("./commands/mcp-stop.ts"))],
  ["mcp restart", () => load(import("./commands/mcp-restart.ts"))],
  ["mcp status", () => load(import("./commands/mcp-status.ts"))],
  ["mcp health", health],
  ["mcp logs", () => load(import("./commands/mcp-logs.ts"))],
  ["mcp unit", () => load(import("./commands/mcp-unit.ts"))],
  ["mcp stdio", () => load(import("./commands/mcp-stdio.ts"))],
  ["token", () => load(import("./commands/token.ts"))],
  ["archive-sessions", () => load(import("./commands/archive-sessions.ts"))],
  ["backup", () => load(import("./commands/backup.ts"))],
  ["restore", () => load(import("./commands/restore.ts"))],
  ["doctor", () => load(import("./commands/doctor.ts"))],
  ["drain", () => load(import("./commands/drain.ts"))],
  ["version", () => load(import("./commands/version.ts"))],
]);
const GROUP = "mcp";

const ALIASES = new Map<string, Load>([
  ["ls", listSessions],
  ["show", showSession],
  ["get-session", showSession],
  ["health", health],
  ["--version", () => load(import("./commands/version.ts"))],
  ["-V", () => load(import("./commands/version.ts"))],
]);

export async function runTree(argv: readonly string[]): Promise<number> {
  // What we make is nobody else's, and what DuckDB makes beside its file neither.
  process.umask(0o077);
  const [name, ...words] = grouped(argv);
  if (name === undefined) throw usage("no command was given");
  if (name === "help" || isHelp(name)) {
    const about = grouped(words.filter((word) => !isHelp(word)))[0];
    print(await (about === undefined ? overview() : help(about)));
    return 0;
  }
  const asked = words.some(
    (word, i) => isHelp(word) && !words.slice(0, i).includes("--"),
  );
  if (asked) {
    print(await help(name));
    return 0;
  }
  const command = await find(name);
  const specs = (command.args ?? {}) as Record<string, ArgSpec>;
  const { result } = await runCommand(command, {
    rawArgs: strictArgs(name, words, specs),
  });
  return typeof result === "number" ? result : 0;
}

/** The words with a command of the group as one: `mcp start`. */
function grouped(words: readonly string[]): string[] {
  const [first, second, ...rest] = words;
  if (first !== GROUP || second === undefined || second.startsWith("-"))
    return [...words];
  return [`${first} ${second}`, ...rest];
}

const isHelp = (word: string) => word === "-h" || word === "--help";

/** @throws Failure (usage) suggesting the nearest command */
function find(name: string): Promise<CommandDef> {
  const found = COMMANDS.get(name) ?? ALIASES.get(name);
  if (found) return found();
  if (name === GROUP)
    throw new Failure(
      "usage",
      "mcp needs a command",
      "try: session-buddy mcp start, or session-buddy mcp --help",
    );
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
  if (name === "shell") return SHELL_HELP;
  return name === GROUP ? groupHelp() : commandHelp(await find(name));
}

async function rowsOf(
  wanted: (name: string) => boolean,
): Promise<[string, string][]> {
  const rows: [string, string][] = [];
  for (const [name, command] of COMMANDS) {
    if (!wanted(name)) continue;
    const { description } = (await command()).meta as { description: string };
    rows.push([name, description.split("\n", 1)[0]!.replace(/\.$/, "")]);
  }
  return rows;
}

async function groupHelp(): Promise<string> {
  const rows = await rowsOf((name) => name.startsWith(`${GROUP} `));
  return `The server that other shells and programs send their sessions to, and ask.

USAGE  session-buddy mcp COMMAND [flags]

COMMANDS
${columns(rows).join("\n")}

  session-buddy mcp COMMAND --help says more, with examples

EXAMPLES
  session-buddy mcp start
  session-buddy mcp start --detach --port auto
  session-buddy mcp logs -f
`;
}

async function overview(): Promise<string> {
  const rows = await rowsOf(() => true);
  return `session-buddy ${VERSION}: the flight recorder for admin shells

USAGE  session-buddy COMMAND [flags]

COMMANDS
${columns(rows).join("\n")}

  ls = list-sessions, show = get-session = show-session, health = mcp health
  session-buddy help COMMAND says more, with examples

EXAMPLES
  session-buddy shell
  session-buddy list-sessions --status active
  session-buddy show-session
`;
}
