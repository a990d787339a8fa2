/**
 * The command tree: each command is loaded when it is called.
 */
import { type CommandDef, defineCommand, renderUsage, runCommand } from "citty";
import { type ArgSpec, nearest, strictArgs } from "./args.ts";
import { Failure } from "./model/failure.ts";
import { Output, OutputClosed } from "./os/output.ts";
import { wantsColor } from "./talk.ts";
import { VERSION } from "./version.ts";

type Load = () => Promise<CommandDef>;
// Definitions differ in their flags' types; here only their shape counts.
const load = (module: Promise<{ default: unknown }>) =>
  module.then((m) => m.default as CommandDef);

const listSessions: Load = () => load(import("./cli/list-sessions.ts"));
const showSession: Load = () => load(import("./cli/show-session.ts"));

const COMMANDS: Record<string, Load> = {
  shell: async () =>
    defineCommand({
      meta: {
        name: "shell",
        description: "Wraps a shell, or any program, and records its life",
      },
    }),
  "list-sessions": listSessions,
  "show-session": showSession,
  version: () => load(import("./cli/version.ts")),
};

const ALIASES: Record<string, Load> = {
  ls: listSessions,
  show: showSession,
  "get-session": showSession,
};

export async function runTree(argv: readonly string[]): Promise<number> {
  try {
    return await run(argv);
  } catch (error) {
    if (error instanceof OutputClosed) return 0;
    throw error;
  }
}

async function run([name, ...words]: readonly string[]): Promise<number> {
  if (name === undefined) throw usage("no command was given");
  if (name === "-h" || name === "--help" || name === "help") {
    print(await overview());
    return 0;
  }
  const known = name === "--version" || name === "-V" ? "version" : name;
  const command = await (COMMANDS[known] ?? ALIASES[known])?.();
  if (!command) throw unknownCommand(name);
  if (words.some((w, i) => isHelp(w) && !words.slice(0, i).includes("--"))) {
    print(await help(command));
    return 0;
  }
  const specs = (command.args ?? {}) as Record<string, ArgSpec>;
  await runCommand(command, { rawArgs: strictArgs(name, words, specs) });
  return 0;
}

const isHelp = (word: string) => word === "-h" || word === "--help";

function unknownCommand(name: string): Failure {
  const near = nearest(name, [
    ...Object.keys(COMMANDS),
    ...Object.keys(ALIASES),
  ]);
  return usage(
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
  output.write(wantsColor(true) ? text : Bun.stripANSI(text));
  output.flush();
}

async function overview(): Promise<string> {
  const lines = [
    `session-buddy ${VERSION}: the flight recorder for admin shells`,
    "",
    "USAGE  session-buddy COMMAND [flags]",
    "",
    "COMMANDS",
  ];
  for (const [name, command] of Object.entries(COMMANDS)) {
    const meta = (await command()).meta as { description: string };
    lines.push(`  ${name.padEnd(16)}${meta.description.split("\n", 1)[0]}`);
  }
  lines.push(
    "",
    "  ls = list-sessions, show = get-session = show-session",
    "  session-buddy COMMAND --help says more, with examples",
    "",
    "EXAMPLES",
    "  session-buddy shell",
    "  session-buddy list-sessions --status active",
    "  session-buddy show-session",
    "",
  );
  return lines.join("\n");
}

async function help(command: CommandDef): Promise<string> {
  const root = defineCommand({ meta: { name: "session-buddy" } });
  return `${await renderUsage(command, root)}\n`;
}
