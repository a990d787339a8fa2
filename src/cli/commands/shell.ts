/**
 * `session-buddy shell`: wraps a program. Every shell's start waits for it, so
 * it loads nothing of what the other commands need.
 */
import { type Args, defineCommand, parseArgs, CONFIG_FLAG } from "../args.ts";
import { parsePairs } from "../pairs.ts";
import { wantedScreen } from "../wanted-screen.ts";
import {
  loadSettings,
  recordingsRoot,
  describe,
  redactionOf,
  type Config,
  type Profile,
  type Settings,
} from "../../config/load.ts";
import {
  type JsonObject,
  MAX_TEXT_BYTES,
  jsonBytes,
} from "../../model/event.ts";
import { fail } from "../../model/failure.ts";
import { isComponentName } from "../../model/id.ts";
import { say } from "../../os/file.ts";
import { passwdEntry } from "../../os/paths.ts";
import { libc } from "../../os/libc.ts";
import { CONFIG_VARIABLE } from "../../os/parent.ts";
import { isTerminal, procWords } from "../../os/proc.ts";
import { HEARD } from "../../record/child.ts";
import { dieSilently } from "../../record/inherited.ts";
import { withoutSecrets } from "../../record/redact-start.ts";
import { inferComponent, kindOf } from "../../record/program.ts";
import { wrap } from "../../record/wrap.ts";
import { fullBanner, lineBanner } from "../../render/banner.ts";
import { escapeText } from "../../render/escape.ts";
import { VERSION } from "../../version.ts";

const DEFINITION = defineCommand({
  description: `Wraps a shell, or any program, and records its life.

Everything after the first -- is the command's, untouched; so is everything from
the first bare word on.

EXIT STATUS  The command's own; death by a signal is passed on.
  125 our own failure, 126 the command cannot run, 127 it was not found.

EXAMPLES
  session-buddy shell
  session-buddy shell --component mahavishnu -- python -m mahavishnu shell
  session-buddy shell --reason 'ticket 4711' --meta ticket=4711 zsh -l
  session-buddy shell --record`,
  args: {
    command: {
      type: "positional",
      valueHint: "-- command args…",
      description:
        "What to wrap (default: $SHELL, else the passwd entry's, else /bin/sh)",
    },
    login: {
      type: "boolean",
      alias: "l",
      description: "Make $SHELL a login shell",
    },
    component: {
      type: "string",
      valueHint: "name",
      description:
        "What the session belongs to (default: the profile's, else taken from the command)",
    },
    type: {
      type: "string",
      description: "Session type (default: admin_shell)",
    },
    "shell-type": {
      type: "string",
      valueHint: "name",
      description: "What kind of shell it is (default: the program's name)",
    },
    meta: {
      type: "string",
      multiple: true,
      valueHint: "key=value",
      description:
        "Metadata; a VALUE that is JSON is taken as JSON (repeatable)",
    },
    name: {
      type: "string",
      valueHint: "text",
      description: "A name to find the session by",
    },
    reason: {
      type: "string",
      valueHint: "text",
      description: "Why the shell was needed",
    },
    tag: { type: "string", multiple: true, description: "A tag (repeatable)" },
    profile: {
      type: "string",
      valueHint: "name",
      description: "A profile of the configuration",
    },
    audit: {
      type: "string",
      valueHint: "mode",
      values: ["strict", "best-effort"],
      description: "strict (no durable record, no shell) or best-effort",
    },
    "no-commands": {
      type: "boolean",
      description:
        "Record none of the commands in the shell (session.commands: false does so for all)",
    },
    record: {
      type: "boolean",
      description:
        "Record what the terminal shows, too (session.record: true does so for all)",
    },
    "no-record": {
      type: "boolean",
      description: "Record nothing of it, whatever session.record says",
    },
    quiet: { type: "boolean", description: "No banner" },
    config: CONFIG_FLAG,
  },
});
export default DEFINITION;

type Flags = Args<typeof DEFINITION.args>;

/** @param args the words after `shell` */
export function parseFlags(args: readonly string[]) {
  const help = { type: "boolean", alias: "h", description: "" } as const;
  const defs = { ...DEFINITION.args, help };
  const { args: flags, consumed } = parseArgs("shell", args, defs, true);
  return { flags, consumed };
}

/** @param args the words after `shell` */
export async function shell(args: readonly string[]): Promise<number> {
  if (libc) {
    libc.blockSignals(HEARD);
    dieSilently(libc);
  }
  const { flags, consumed } = parseFlags(args);
  if (flags.help) {
    const { commandHelp } = await import("../../render/help.ts");
    const { print } = await import("../terminal.ts");
    print(commandHelp("shell", DEFINITION));
    return 0;
  }
  const env = process.env;
  const given = args.length > consumed;
  const settings = loadSettings(env, flags.config);
  // A person at a terminal reads it; else nobody.
  const tell = isTerminal(0) && isTerminal(2) && !flags.quiet ? say : null;
  const profile = findProfile(flags, settings, tell);
  const { file, argv } = given
    ? fromArgv(args.slice(consumed))
    : profile?.command
      ? ofWords(profile.command.map(encode))
      : ownShell(env, flags);
  const words = given ? args.slice(consumed) : argv.map(decode);
  const component = componentOf(flags, profile, words);
  const shell_type = flags["shell-type"] ?? kindOf(words[0]!);
  const { session, server, spool, cache_dir } = settings.config;
  if (tell)
    for (const problem of settings.problems)
      tell(`session-buddy: ${escapeText((await describe(problem)).message)}\n`);
  const asked = {
    ...{ component, shell_type, argv: words, tags: flags.tag },
    recorded_argv: session.argv === "program" ? words.slice(0, 1) : words,
    session_type: flags.type ?? "admin_shell",
    name: flags.name ?? null,
    reason: flags.reason ?? null,
    metadata: { ...profile?.metadata, ...parsePairs(flags.meta, "--meta ") },
  };
  refuseTooMuch(asked);
  const redaction = redactionOf(settings);
  const redacted = session.argv === "redacted";
  const start = await withoutSecrets(asked, redacted, redaction);
  const { data } = settings.paths;
  const strict = strictness(flags, session);
  const screen =
    data && (await wantedScreen(flags, session.record, component, words));
  return wrap({
    program: { file, argv },
    start,
    env: withConfig(env, flags.config),
    data,
    cache: cache_dir ?? settings.paths.caches[0]!,
    disabled: disabledBy(session, env),
    strict,
    commands:
      session.commands && !flags["no-commands"] ? wordsOf(redaction) : null,
    screen: screen
      ? {
          ...screen,
          async open(run, session_id) {
            const { recordTerminal } = await import("../../record/screen.ts");
            const term = env["TERM"] ?? "";
            const config = withConfig(env, flags.config)[CONFIG_VARIABLE];
            return recordTerminal(run, session_id, {
              ...{ root: recordingsRoot(settings), term, strict, config },
            });
          },
        }
      : null,
    heartbeat_ms: session.heartbeat_ms,
    spool_bytes: spool.max_bytes,
    remote: server.endpoint !== null,
    say: session.banner === "none" ? null : tell,
    banner: (tracking) => {
      const { argv } = session;
      const facts = { version: VERSION, component, shell_type, argv, tracking };
      return session.banner === "line" ? lineBanner(facts) : fullBanner(facts);
    },
  });
}

/** With the file of --config, which the filter of commands reads as well. */
const withConfig = (env: NodeJS.ProcessEnv, file: string | undefined) =>
  file === undefined && env[CONFIG_VARIABLE] === undefined
    ? env
    : { ...env, [CONFIG_VARIABLE]: file && absolute(file) };

const absolute = (file: string) =>
  file.startsWith("/") ? file : `${process.cwd()}/${file}`;

/** What a shell looks for beside the rules' own; while redaction is broken, anything. */
const wordsOf = (redaction: ReturnType<typeof redactionOf>) =>
  redaction?.patterns.map(({ word }) => word) ?? [""];

function disabledBy(
  session: Config["session"],
  env: NodeJS.ProcessEnv,
): string | null {
  if (session.enabled) return null;
  return env["SESSION_BUDDY_SESSION_ENABLED"]
    ? "SESSION_BUDDY_SESSION_ENABLED turns it off (unset it to record)"
    : "session.enabled is false in the configuration (set it to true to record)";
}

function strictness(flags: Flags, session: Config["session"]): boolean {
  const audit = flags.audit;
  if (audit !== undefined && audit !== "strict" && audit !== "best-effort")
    throw fail.usage(
      `--audit takes strict or best-effort, not '${audit}'`,
      "try: --audit strict",
    );
  return audit === "strict" || session.audit === "strict";
}

/**
 * A name that a sound configuration does not know is mistyped; one that is
 * unknown because the configuration is broken keeps nobody from a shell.
 */
function findProfile(
  flags: Flags,
  settings: Settings,
  tell: typeof say | null,
): Profile | undefined {
  const name = flags.profile;
  if (name === undefined) return undefined;
  const profile = settings.config.profiles[name];
  if (profile) return profile;
  const { config, problems } = settings;
  const broken = problems.some(
    ({ path }) => path.length === 0 || path[0] === "profiles",
  );
  if (broken && !strictness(flags, config.session)) {
    const without = `the configuration is broken: without profile '${name}'`;
    tell?.(`session-buddy: ${escapeText(without)}\n`);
    return undefined;
  }
  const known = Object.keys(config.profiles).join(", ");
  throw fail.usage(
    `there is no profile '${name}'`,
    known
      ? `profiles: ${known}`
      : "add it under profiles: in the configuration",
  );
}

/** A bad name in the profile is ignored: the user may not be able to mend it. */
function componentOf(
  flags: Flags,
  profile: Profile | undefined,
  words: readonly string[],
): string {
  const given = flags.component;
  const name = given ?? profile?.component;
  if (name !== undefined && isComponentName(name)) return name;
  if (given === undefined) return inferComponent(words);
  throw fail.usage(
    `'${name}' is not a component name`,
    "letters, digits, _ and -, not first a -, at most 100",
  );
}

/** What a person gives is refused when it is too much, never cut. */
function refuseTooMuch(start: {
  session_type: string;
  shell_type: string;
  tags: string[];
  metadata: JsonObject;
}): void {
  const { session_type, shell_type, tags, metadata } = start;
  const bytes = jsonBytes([session_type, shell_type, tags, metadata]);
  if (bytes > MAX_TEXT_BYTES)
    throw fail.usage(
      `types, tags and metadata are ${bytes} bytes together, at most ${MAX_TEXT_BYTES} are recorded`,
      "give less, or the path of a file that holds it",
    );
}

interface Argv {
  file: Uint8Array;
  argv: Uint8Array[];
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** The words as the kernel keeps them: the runtime's own are not byte for byte. */
function fromArgv(words: readonly string[]): Argv {
  const raw = procWords("self/cmdline")?.slice(-words.length);
  return ofWords(raw?.length === words.length ? raw : words.map(encode));
}

const ofWords = (argv: Uint8Array[]): Argv => ({ file: argv[0]!, argv });

function ownShell(env: NodeJS.ProcessEnv, flags: Flags): Argv {
  const file = env["SHELL"] || passwdEntry()?.shell || "/bin/sh";
  const base = file.slice(file.lastIndexOf("/") + 1);
  return {
    file: encode(file),
    argv: [encode(flags.login ? `-${base}` : file)],
  };
}
