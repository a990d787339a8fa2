/**
 * The wrapper: a session's start is written, the program runs, its end is
 * written. Recording trouble is never the user's trouble: the program runs
 * whatever the spool says, except under `--audit strict`.
 */
import { EVENT_VERSION, type Event, type Process } from "../model/event.ts";
import { Failure, reasonOf } from "../model/failure.ts";
import { uuidOf } from "../model/id.ts";
import { endAs, libc } from "../os/libc.ts";
import { folderFailure } from "../os/paths.ts";
import { processStat } from "../os/proc.ts";
import { SIGNALS, signalName } from "../os/signals.ts";
import { countNowAndThen, nearlyFull, spoolFull } from "../spool/level.ts";
import { SESSION_ID_VARIABLE } from "../spool/parent.ts";
import { SpoolWriter, ensureSpool, spoolFolder } from "../spool/write.ts";
import { VERSION } from "../version.ts";
import { countCommands, recallCommands } from "./commands.ts";
import { runChild } from "./child.ts";
import { type StartOptions, startEvent } from "./context.ts";
import { drainedLately, startDrain } from "./deliver.ts";
import { type Facts, askVersion, stopAsking } from "./ask.ts";
import type { ChildProgram, Outcome } from "./outcome.ts";
import { usageMetadata } from "./usage.ts";

export interface WrapRequest {
  program: ChildProgram;
  start: StartOptions;
  env: Readonly<Record<string, string | undefined>>;
  /** The data folder; null, with the reason, when nothing is to be recorded. */
  data: string | null;
  disabled: string | null;
  /** Where counts are remembered between runs. */
  cache: string;
  strict: boolean;
  heartbeat_ms: number;
  /** With so much in the spool, no further session is recorded. */
  spool_bytes: number;
  /** The store is on another host: what is recorded has to be brought there. */
  distant: boolean;
  /** Talks to the person at the terminal; null when there is none. */
  say: ((text: string) => void) | null;
  /** The banner for a session, or for none and why. */
  banner: (tracking: { session_id: string } | { disabled: string }) => string;
}

/** When the start is brought to the disk, while the child starts. */
const START_SYNC_MS = 5;
/** How long a child has the machine for its own start before we look around. */
const CHILD_STARTED_MS = 100;
/** How long an unfinished question for a version may hold up the end. */
const LAST_FACTS_MS = 250;

/**
 * Runs the program and never returns: this process ends as the program did.
 * @throws Failure (cannot_run, no_program) when it does not start; (recording)
 *   under strict audit when the start is not durable
 */
export async function wrap(request: WrapRequest): Promise<never> {
  const recording = beginRecording(request);
  if (typeof recording === "string") {
    if (request.strict)
      throw new Failure(
        "recording",
        `the session cannot be recorded and the audit is strict: ${recording}`,
        "no shell without a record; mend the cause, or ask the host's administrator",
      );
    request.say?.(request.banner({ disabled: recording }));
    return leave(
      await runChild(
        request.program,
        () => {},
        () => {},
      ),
      request,
    );
  }
  request.say?.(request.banner(recording));
  recording.sayNearlyFull();
  return recording.run();
}

/** The session under way, or why there is none. */
function beginRecording(request: WrapRequest): Recording | string {
  if (request.data === null || request.disabled !== null)
    return (
      request.disabled ??
      "there is no home folder to keep it in (set HOME, or SESSION_BUDDY_DATA_DIR)"
    );
  try {
    const folder = ensureSpool(request.data);
    const full = spoolFull(folder, request.spool_bytes);
    if (full === null) return new Recording(request, folder);
    // Nobody else would start one, on a host whose sessions are not recorded.
    if (request.distant) startDrain(folder, request.env);
    return full;
  } catch (error) {
    return folderFailure(spoolFolder(request.data), error).message;
  }
}

class Recording {
  readonly session_id: string;
  private readonly spool: SpoolWriter;
  /** Where our pid and the child's mean something. */
  private readonly place: Pick<Process, "pid_namespace" | "boot_id">;
  private trouble: string | null = null;
  /** What could not be found out. */
  private lacking: string | null = null;
  private floor_bytes = 0;
  private facts: Facts = { measured: {} };
  private version: Promise<void> = Promise.resolve();
  private recalled: number | null = null;
  private annotated = false;
  private ended = false;

  constructor(
    private readonly request: WrapRequest,
    private readonly folder: string,
  ) {
    const startedAt = new Date();
    let start;
    const { writer, session_id, locked } = SpoolWriter.create(folder, () => {
      const id = randomUuid();
      start = startEvent(request.start, request.env, startedAt, id, folder);
      return start.session_id;
    });
    this.spool = writer;
    this.session_id = session_id;
    start = start!;
    const { pid_namespace = null, boot_id = null } = start;
    this.place = { pid_namespace, boot_id };
    start.measured = { ...start.measured, recorder_version: VERSION };
    this.spool.append({ ...start, lock: locked ? "flock" : "none" });
    if (request.strict) {
      this.spool.sync();
      this.spool.syncFolder();
    }
  }

  async run(): Promise<never> {
    const { program } = this.request;
    const heartbeat = setInterval(() => this.beat(), this.request.heartbeat_ms);
    const outcome = await runChild(
      { ...program, envp: withSessionId(this.request, this.session_id) },
      (pid) => this.started(pid),
      () => this.attempt(() => this.spool.touch()),
    );
    clearInterval(heartbeat);
    if (outcome.kind !== "abandoned") await this.finish(outcome);
    if (this.request.distant) startDrain(this.folder, this.request.env);
    stopAsking();
    const trouble = this.trouble ?? this.lacking;
    if (trouble)
      this.request.say?.(
        `session-buddy: this session is not fully recorded: ${trouble}\n`,
      );
    return leave(outcome, this.request);
  }

  sayNearlyFull(): void {
    const { say, spool_bytes } = this.request;
    const warning = say && nearlyFull(this.folder, spool_bytes);
    if (warning) say(`session-buddy: ${warning}\n`);
  }

  private started(pid: number): void {
    this.attempt(() =>
      this.write({
        event_type: "process",
        pid,
        ppid: process.pid,
        start_ticks: processStat(pid)?.start_ticks ?? null,
        ...this.place,
      }),
    );
    // Of a child that is over by then, the end's own sync covers all.
    setTimeout(() => {
      if (!this.ended) this.attempt(() => this.spool.sync());
    }, START_SYNC_MS);
    this.floor_bytes = libc?.ownMaxRss() ?? 0;
    this.learn().catch((error) => (this.lacking = reasonOf(error)));
    this.recalled = recallCommands(this.path, this.request.cache);
  }

  private beat(): void {
    this.attempt(() => {
      this.renew();
      this.spool.retry();
      this.spool.touch();
    });
    const { distant, heartbeat_ms, env } = this.request;
    if (distant && !drainedLately(this.folder, heartbeat_ms))
      startDrain(this.folder, env);
  }

  /** Finds out what takes time, once the child has had its start. */
  private async learn(): Promise<void> {
    const { start, program } = this.request;
    const file = new TextDecoder().decode(program.file);
    const asked = askVersion(start.argv, file);
    this.version = asked.then((facts) => void (this.facts = facts));
    await Bun.sleep(CHILD_STARTED_MS);
    if (this.ended) return;
    if (this.request.distant) startDrain(this.folder, this.request.env);
    const command_tree_size = countCommands(this.path, this.request.cache);
    await this.version;
    if (this.ended) return;
    const { measured, ...rest } = this.facts;
    const facts = { ...rest, measured: { ...measured, command_tree_size } };
    this.attempt(() => this.write({ event_type: "annotation", ...facts }));
    this.annotated = true;
    // Trouble with it is the next one's who counts.
    await countNowAndThen(this.folder).catch(() => {});
  }

  private async finish(
    outcome: Exclude<Outcome, { kind: "abandoned" }>,
  ): Promise<void> {
    this.ended = true;
    const calm =
      outcome.kind === "exited" && !outcome.hung_up && !outcome.told_to_go;
    if (calm && !this.annotated)
      await Promise.race([this.version, Bun.sleep(LAST_FACTS_MS)]);
    const { measured, ...rest } = this.annotated
      ? { measured: {} }
      : this.withCommands();
    this.attempt(() => this.renew());
    this.attempt(() => {
      this.write({
        event_type: "session_end",
        end_source: "observed",
        ...endOf(outcome),
        ...rest,
        measured: {
          ...measured,
          exit_reason: exitReason(outcome),
          ...(outcome.kind === "exited" && outcome.usage
            ? usageMetadata(outcome.usage, this.floor_bytes)
            : {}),
        },
      });
      this.spool.sync();
      // All that there was no room for is on the disk now.
      this.trouble = null;
    });
  }

  /** The folder may have been removed under our hands. */
  private renew(): void {
    this.spool.renew(() => ensureSpool(this.request.data!));
  }

  private withCommands(): Facts {
    const command_tree_size =
      this.recalled ?? countCommands(this.path, this.request.cache);
    const measured = { ...this.facts.measured, command_tree_size };
    return { ...this.facts, measured };
  }

  private get path(): string {
    return this.request.env["PATH"] ?? "";
  }

  private write(
    fields: { event_type: string } & Record<string, unknown>,
  ): void {
    this.spool.append({
      event_version: EVENT_VERSION,
      event_id: Bun.randomUUIDv7(),
      session_id: this.session_id,
      timestamp: new Date().toISOString(),
      ...fields,
    } as Event);
  }

  /** Does a step of the recording; trouble with it is kept for the end. */
  private attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.note(error);
    }
  }

  private note(error: unknown): void {
    this.trouble ??= folderFailure(this.folder, error).message;
  }
}

function endOf(outcome: Exclude<Outcome, { kind: "abandoned" }>): {
  exit_code: number | null;
  signal: string | null;
} {
  if (outcome.kind === "unstarted")
    return { exit_code: outcome.exit_status, signal: null };
  const { exit_code, signal } = outcome;
  return { exit_code, signal: signal === null ? null : signalName(signal) };
}

/** Why it ended, in one word. */
function exitReason(outcome: Exclude<Outcome, { kind: "abandoned" }>): string {
  if (outcome.kind === "unstarted")
    return outcome.exit_status === 127 ? "not_found" : "cannot_run";
  if (outcome.hung_up || outcome.told_to_go === SIGNALS.SIGHUP) return "hangup";
  if (outcome.told_to_go !== null) return "terminated";
  return outcome.signal === null ? "exited" : "signaled";
}

function leave(outcome: Outcome, { program }: WrapRequest): never {
  if (outcome.kind === "exited") endAs(outcome.exit_code, outcome.signal);
  if (outcome.kind === "abandoned") endAs(null, outcome.told_to_go);
  const name = JSON.stringify(new TextDecoder().decode(program.file));
  throw new Failure(
    outcome.exit_status === 127 ? "no_program" : "cannot_run",
    `cannot run ${name}: ${outcome.reason}`,
  );
}

/** `crypto` would have to be set up first, which costs 0.15 ms. */
function randomUuid(): string {
  return libc ? uuidOf(libc.randomBytes(16)) : crypto.randomUUID();
}

/** The environment byte for byte, with our one variable in it once. */
function withSessionId(
  { program: { envp }, env }: WrapRequest,
  session_id: string,
): Uint8Array[] {
  const name = `${SESSION_ID_VARIABLE}=`;
  const decode = (entry: Uint8Array) => new TextDecoder().decode(entry);
  const others =
    env[SESSION_ID_VARIABLE] === undefined
      ? envp
      : envp.filter((entry) => !decode(entry).startsWith(name));
  return [...others, new TextEncoder().encode(`${name}${session_id}`)];
}
