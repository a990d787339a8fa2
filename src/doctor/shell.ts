/** Checks whether a shell would be recorded. */
import {
  accessSync,
  constants,
  mkdtempSync,
  readdirSync,
  rmSync,
} from "node:fs";
import type { Settings } from "../config/load.ts";
import { fail, reasonOf } from "../model/failure.ts";
import { readText, tryReadText } from "../os/file.ts";
import { statFile } from "../os/stat.ts";
import { passwdEntry } from "../os/paths.ts";
import { temporaryFolder } from "../os/scratch.ts";
import { WRAPPED_VARIABLE } from "../os/parent.ts";
import { ensureSpool } from "../spool/write.ts";
import type { Check } from "./check.ts";

/** How long a wrapped `true` may take. */
const TRIAL_MS = 10_000;

export function shellChecks(settings: Settings): Check[] {
  return [
    {
      name: "recording_enabled",
      look() {
        if (settings.config.session.enabled) return "yes";
        throw fail.config(
          "sessions are not recorded: it is turned off",
          process.env["SESSION_BUDDY_SESSION_ENABLED"]
            ? "unset SESSION_BUDDY_SESSION_ENABLED"
            : "set session.enabled to true in the configuration",
        );
      },
    },
    { name: "shell_program", look: shellProgram },
    { name: "spool_folder", look: () => ensureSpool(settings.paths.data!) },
    { name: "trial_session", look: trialSession },
    { name: "rc_files", look: () => rcFiles(homeOf(process.env)) },
  ];
}

/** What shells read at their start, below the home directory. */
const RC_FILES = [
  ...[".bashrc", ".bash_profile", ".bash_login", ".profile"],
  ...[".zshrc", ".zprofile", ".zshenv", ".zlogin", ".kshrc", ".mkshrc"],
  ".config/fish/config.fish",
];

/** su leaves $HOME as another user's, whose files are not ours to read. */
function homeOf({ HOME }: NodeJS.ProcessEnv): string {
  const ours =
    HOME && statFile(HOME, { follow: true })?.uid === process.geteuid!();
  return (ours ? HOME : passwdEntry()?.home) ?? "";
}

/** A file that wraps its shell has to check that it is not wrapped already. */
function rcFiles(home: string): string {
  const wrapping = RC_FILES.map((name) => `${home}/${name}`).filter((file) =>
    /session-buddy\s+shell/.test(tryReadText(file) ?? ""),
  );
  for (const file of wrapping)
    if (!readText(file).includes(WRAPPED_VARIABLE))
      throw fail.config(
        `'${file}' wraps a shell and does not look at ${WRAPPED_VARIABLE}: where no session is recorded it wraps for ever`,
        `wrap unless ${WRAPPED_VARIABLE} is set, as docs/recording.md shows`,
      );
  return wrapping.length
    ? `each that wraps looks at ${WRAPPED_VARIABLE}: ${wrapping.join(", ")}`
    : "none wraps a shell";
}

function shellProgram(): string {
  const shell = process.env["SHELL"] || passwdEntry()?.shell || "/bin/sh";
  try {
    accessSync(shell, constants.X_OK);
    return shell;
  } catch (error) {
    throw fail.config(
      `your shell '${shell}' cannot be run: ${reasonOf(error)}`,
      "set SHELL to one that is there",
    );
  }
}

/** Wraps a program, with a data folder of its own. */
async function trialSession(): Promise<string> {
  const data = mkdtempSync(`${temporaryFolder()}/session-buddy-doctor-`);
  try {
    const knows = `[ "$${WRAPPED_VARIABLE}" = 1 ]`;
    const program = ["/bin/sh", "-c", knows];
    const child = Bun.spawn(["/proc/self/exe", "shell", "--", ...program], {
      env: {
        ...process.env,
        SESSION_BUDDY_DATA_DIR: data,
        SESSION_BUDDY_SESSION_ENABLED: "true",
        // Nor is it anybody else's: a drain of it may be quicker than we are.
        SESSION_BUDDY_MCP_ENDPOINT: "null",
        SESSION_BUDDY_SESSION_ID: undefined,
      },
      stdio: ["ignore", "ignore", "pipe"],
      timeout: TRIAL_MS,
      killSignal: "SIGKILL",
    });
    const [said, status] = await Promise.all([
      child.stderr.text(),
      child.exited,
    ]);
    const kinds = recordedKinds(`${data}/spool`);
    if (status === 0 && kinds.includes("session_end"))
      return `a wrapped program was recorded: ${kinds.join(", ")}`;
    throw fail.unhealthy(
      `a wrapped program was not recorded to its end (status ${status}${said && `, it said: ${said.trim()}`})`,
      "look at the checks above; else report it with the whole output",
    );
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
}

/** The kinds of the events in the one spool file below a folder. */
function recordedKinds(spool: string): string[] {
  const files = readdirSync(spool, { recursive: true }) as string[];
  return files
    .filter((file) => file.endsWith(".ndjson"))
    .flatMap((file) => readText(`${spool}/${file}`).split("\n"))
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { event_type: string }).event_type);
}
