/**
 * Makes the session_start event: who starts what, where. All is read before the
 * child starts, so it is cheap; what takes longer comes afterwards (discovery.ts).
 */
import {
  EVENT_VERSION,
  type JsonObject,
  type SessionStart,
  MAX_TEXT_BYTES,
  boundText,
  jsonBytes,
} from "../model/event.ts";
import { sessionIdOf, uuidOf } from "../model/id.ts";
import { readLink } from "../os/file.ts";
import { libc } from "../os/libc.ts";
import { passwdEntry } from "../os/paths.ts";
import {
  ancestry,
  bootId,
  hostNames,
  isTerminal,
  pidNamespace,
  processStat,
  readProc,
  terminalOf,
} from "../os/proc.ts";
import { SESSION_ID_VARIABLE, parentOf } from "../os/parent.ts";
import { programOf } from "./program.ts";

export interface StartOptions {
  component: string;
  session_type: string;
  shell_type: string;
  name: string | null;
  reason: string | null;
  tags: string[];
  /** Given by profile and --meta. */
  metadata: JsonObject;
  /** What is run; it is looked at, and never recorded. */
  argv: readonly string[];
  /** What of it is recorded: the program at least. */
  recorded_argv: readonly string[];
  /** The rules of redaction that hit in what was given. */
  redacted_by: string[];
}

/**
 * The session_start event of a wrapped program.
 * @param startedAt its timestamp, and the time in its id
 * @param spool where the parent's file would be
 */
export function startEvent(
  options: StartOptions,
  env: Readonly<Record<string, string | undefined>>,
  startedAt: Date,
  spool: string,
): SessionStart {
  const event_id = randomUuid();
  const passwd = passwdEntry();
  const cut = new Cutter();
  const { hostname, release } = hostNames();
  return {
    event_version: EVENT_VERSION,
    event_id,
    event_type: "session_start",
    session_id: sessionIdOf(options.component, startedAt, event_id),
    timestamp: startedAt.toISOString(),
    session_type: options.session_type,
    component_name: options.component,
    shell_type: options.shell_type,
    hostname,
    pid: process.pid,
    ppid: process.ppid,
    start_ticks: processStat(process.pid)?.start_ticks ?? null,
    pid_namespace: pidNamespace(),
    boot_id: bootId(),
    user: {
      username: passwd?.username ?? `uid-${process.geteuid!()}`,
      home: passwd?.home ?? "",
    },
    environment: {
      python_version: null,
      platform: platform(release),
      cwd: cut.text(workingDirectory()),
    },
    tty: terminalOf(0) ?? terminalOf(2),
    name: options.name && cut.text(options.name),
    reason: options.reason && cut.text(options.reason),
    tags: options.tags,
    command: cut.words(options.recorded_argv),
    ...parentOf(env[SESSION_ID_VARIABLE], ancestry(process.ppid), spool),
    metadata: options.metadata,
    measured: {
      ...origin(env),
      tab_completion_enabled:
        isTerminal(0) && programOf(options.argv).completes,
    },
    ...(options.redacted_by.length && { redacted_by: options.redacted_by }),
    ...(cut.bytes ? { truncated_bytes: cut.bytes } : {}),
  };
}

/**
 * Keeps recorded texts, together and as JSON, within one text's bound: an event
 * must not outgrow its line, whatever it is made to carry.
 */
class Cutter {
  bytes = 0;
  private left = MAX_TEXT_BYTES;

  text(text: string): string {
    let kept = boundText(text, this.left);
    // A control character is six bytes as JSON.
    if (kept.text.length * 6 > this.left && jsonBytes(kept.text) > this.left)
      kept = boundText(text, Math.floor(this.left / 6));
    this.left = Math.max(0, this.left - jsonBytes(kept.text));
    this.bytes += kept.cut_bytes;
    return kept.text;
  }

  words(words: readonly string[]): string[] {
    return this.text(words.join("\0")).split("\0");
  }
}

function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    // It was removed, "(deleted)", or has no path from our root: the shell will say so itself.
    return readLink("/proc/self/cwd") ?? "";
  }
}

function platform(release: string): string {
  const machine = { x64: "x86_64", arm64: "aarch64" }[process.arch as string];
  return ["Linux", release, machine ?? process.arch].filter(Boolean).join("-");
}

/** Where the user came from: ssh, sudo, and the login that audit keeps. */
function origin(env: Readonly<Record<string, string | undefined>>): JsonObject {
  const out: JsonObject = {};
  const ssh = env["SSH_CONNECTION"] || env["SSH_CLIENT"] || "";
  const [address, port] = ssh.split(" ");
  if (address && port) out["ssh_client"] = `${address} ${port}`.slice(0, 256);
  if (env["SUDO_USER"]) out["sudo_user"] = env["SUDO_USER"].slice(0, 256);
  const login = Number(readProc("self/loginuid") ?? NaN);
  // 4294967295 is the kernel's "not set".
  if (Number.isInteger(login) && login < 0xffffffff) out["login_uid"] = login;
  return out;
}

/** `crypto` would have to be set up first, which costs 0.15 ms. */
function randomUuid(): string {
  const bytes = libc?.randomBytes(16);
  return bytes ? uuidOf(bytes) : crypto.randomUUID();
}
