/**
 * The commands: one line each, loaded when called. Adding one takes its file in
 * commands/ and its line here.
 */
import { type Catalog, type Command, parseArgs, nearest } from "./args.ts";
import { fail } from "../model/failure.ts";
import { nowRunning } from "../model/running.ts";
import { commandHelp, groupHelp } from "../render/help.ts";
import { showProgress } from "./progress.ts";
import { print } from "./terminal.ts";
import { VERSION } from "../version.ts";

type Load = () => Promise<{ default: Command }>;

/** By their full names, in the order of the overview. */
const COMMANDS = new Map<string, Load>(
  Object.entries({
    // main.ts runs it, without this tree; here it has its help.
    shell: () => import("./commands/shell.ts"),
    "list-sessions": () => import("./commands/list-sessions.ts"),
    "show-session": () => import("./commands/show-session.ts"),
    replay: () => import("./commands/replay.ts"),
    search: () => import("./commands/search.ts"),
    analytics: () => import("./commands/analytics.ts"),
    last: () => import("./commands/last.ts"),
    who: () => import("./commands/who.ts"),
    "list-commands": () => import("./commands/list-commands.ts"),
    "list-events": () => import("./commands/list-events.ts"),
    "end-session": () => import("./commands/end-session.ts"),
    annotate: () => import("./commands/annotate.ts"),
    tag: () => import("./commands/tag.ts"),
    rename: () => import("./commands/rename.ts"),
    note: () => import("./commands/note.ts"),
    query: () => import("./commands/query.ts"),
    watch: () => import("./commands/watch.ts"),
    dashboard: () => import("./commands/dashboard.ts"),
    alerts: () => import("./commands/alerts.ts"),
    "alerts list": () => import("./commands/alerts-list.ts"),
    "alerts ack": () => import("./commands/alerts-ack.ts"),
    "alerts test": () => import("./commands/alerts-test.ts"),
    "emit start": () => import("./commands/emit-start.ts"),
    "emit end": () => import("./commands/emit-end.ts"),
    "emit command": () => import("./commands/emit-command.ts"),
    "mcp start": () => import("./commands/mcp-start.ts"),
    "mcp stop": () => import("./commands/mcp-stop.ts"),
    "mcp restart": () => import("./commands/mcp-restart.ts"),
    "mcp status": () => import("./commands/mcp-status.ts"),
    "mcp health": () => import("./commands/mcp-health.ts"),
    "mcp logs": () => import("./commands/mcp-logs.ts"),
    "mcp unit": () => import("./commands/mcp-unit.ts"),
    "mcp stdio": () => import("./commands/mcp-stdio.ts"),
    token: () => import("./commands/token.ts"),
    "archive-sessions": () => import("./commands/archive-sessions.ts"),
    backup: () => import("./commands/backup.ts"),
    export: () => import("./commands/export.ts"),
    import: () => import("./commands/import.ts"),
    restore: () => import("./commands/restore.ts"),
    migrate: () => import("./commands/migrate.ts"),
    redact: () => import("./commands/redact.ts"),
    config: () => import("./commands/config.ts"),
    doctor: () => import("./commands/doctor.ts"),
    selftest: () => import("./commands/selftest.ts"),
    drain: () => import("./commands/drain.ts"),
    pause: () => import("./commands/pause.ts"),
    resume: () => import("./commands/resume.ts"),
    "install hooks": () => import("./commands/install-hooks.ts"),
    "install completions": () => import("./commands/install-completions.ts"),
    "install man": () => import("./commands/install-man.ts"),
    licenses: () => import("./commands/licenses.ts"),
    version: () => import("./commands/version.ts"),
  }),
);

const ALIASES = new Map([
  ["ls", "list-sessions"],
  ["show", "show-session"],
  ["get-session", "show-session"],
  ["health", "mcp health"],
  ["--version", "version"],
  ["-V", "version"],
]);

/** The first words of commands of two words, with what help says of them. */
const GROUPS = new Map([
  [
    "mcp",
    `The server that other shells and programs send their sessions to, and ask.

EXAMPLES
  session-buddy mcp start
  session-buddy mcp start --detach --port auto
  session-buddy mcp logs -f`,
  ],
  // It is a command as well, which has the help of both.
  ["alerts", "What the server tells of by itself"],
  [
    "emit",
    `Records what no wrapper is around: a cron job, a build, a playbook.

EXAMPLES
  id=$(session-buddy emit start --component backup --pid $$)
  session-buddy emit command "$id" 'pg_dump shop' --exit-code 0 --duration 12.5
  session-buddy emit end "$id" --exit-code 0`,
  ],
  [
    "install",
    `What goes into your own files.

EXAMPLES
  session-buddy install hooks bash
  session-buddy install completions bash --write
  session-buddy install man --write`,
  ],
]);

const ROOT = `session-buddy ${VERSION}: the flight recorder for admin shells

  ls = list-sessions, show = get-session = show-session, health = mcp health

EXAMPLES
  session-buddy shell
  session-buddy list-sessions --status active
  session-buddy show-session`;

const CATALOG: Catalog = {
  names: [...COMMANDS.keys()],
  ...{ aliases: ALIASES, groups: GROUPS, about: ROOT, find },
};

/** @returns the exit status */
export async function runTree(argv: readonly string[]): Promise<number> {
  // What we make is nobody else's, and what DuckDB makes beside its file neither.
  process.umask(0o077);
  if (argv[0] === "complete") {
    const { complete } = await import("./commands/complete.ts");
    return complete(argv.slice(1), CATALOG);
  }
  const end = argv.indexOf("--");
  const before = end < 0 ? argv : argv.slice(0, end);
  if (before[0] === "help" || before.some(isHelp)) {
    const about = before[0] === "help" ? before.slice(1) : before;
    print(await help(splitName(about.filter((word) => !isHelp(word)))[0]));
    return 0;
  }
  const [name, words] = splitName(argv);
  if (name === undefined) throw usage("no command was given");
  const { args, run } = await find(name);
  nowRunning(ALIASES.get(name) ?? name);
  showProgress();
  return (await run?.(parseArgs(name, words, args).args, CATALOG)) ?? 0;
}

const isHelp = (word: string) => word === "-h" || word === "--help";

/** The command's name, which may be two words, and the words after it. */
function splitName(argv: readonly string[]): [string | undefined, string[]] {
  const [first, second, ...rest] = argv;
  return GROUPS.has(first!) && second !== undefined && !second.startsWith("-")
    ? [`${first} ${second}`, rest]
    : [first, argv.slice(1)];
}

/** @throws Failure (usage) that suggests the nearest command */
async function find(name: string): Promise<Command> {
  const load = COMMANDS.get(ALIASES.get(name) ?? name);
  if (load) return (await load()).default;
  if (GROUPS.has(name))
    throw usage(
      `${name} needs a command`,
      `try: session-buddy ${namesIn(name)[0]}, or session-buddy ${name} --help`,
    );
  const near = nearest(name, [...COMMANDS.keys(), ...ALIASES.keys()]);
  throw usage(
    name.startsWith("-")
      ? `there is no flag '${name}' before a command`
      : `there is no command '${name}'`,
    near && `did you mean ${near}?`,
  );
}

const namesIn = (group: string) =>
  [...COMMANDS.keys()].filter((name) => name.startsWith(`${group} `));

const usage = (sentence: string, hint?: string | null) =>
  fail.usage(sentence, hint || "try: session-buddy --help");

/** @param name of a command or a group; the overview when left out */
async function help(name?: string): Promise<string> {
  const group = COMMANDS.has(name!) ? undefined : GROUPS.get(name!);
  const about = name === undefined ? ROOT : group;
  if (about === undefined)
    return commandHelp(ALIASES.get(name!) ?? name!, await find(name!));
  const names = name === undefined ? [...COMMANDS.keys()] : namesIn(name);
  const rows = names.map(async (each): Promise<[string, string]> => [
    each,
    (await find(each)).description,
  ]);
  return groupHelp(name, about, await Promise.all(rows));
}
