/**
 * Wraps a program: writes the session's start, runs the program, writes its end.
 * Recording trouble is never the user's trouble: the program runs
 * whatever the spool says, except under `--audit strict`.
 */
import { EVENT_VERSION, type OwnFields, type Process } from "../model/event.ts";
import { Failure, fail } from "../model/failure.ts";
import { endAs, libc } from "../os/libc.ts";
import { folderFailure } from "../os/paths.ts";
import { processStat } from "../os/proc.ts";
import { nearlyFull, spoolFull } from "../spool/quota.ts";
import { SESSION_ID_VARIABLE, WRAPPED_VARIABLE } from "../os/parent.ts";
import { SpoolWriter, ensureSpool } from "../spool/write.ts";
import { VERSION } from "../version.ts";
import { NativeRun } from "./child.ts";
import { Discovery } from "./discovery.ts";
import { type Files, hookFiles } from "./hooks/files.ts";
import { Hooks, enterHooks, news } from "./hooks/hooks.ts";
import { unlockable, unrecordable } from "./refusals.ts";
import { startEvent } from "./start-event.ts";
import { Resources } from "./resources.ts";
import { Drains } from "./spawn-drain.ts";
import {
  type Ended,
  type Outcome,
  type Run,
  type Watch,
  endOf,
  exitReason,
} from "./outcome.ts";
import type { Shown, WrapRequest } from "./request.ts";
import { Showing } from "./showing.ts";
import { FallbackRun } from "./child-fallback.ts";

/** When the start is brought to the disk, while the child starts. */
const START_SYNC_MS = 5;
/** How long a child has the machine for its own start before we look around. */
const CHILD_STARTED_MS = 100;
const IN_OUR_PLACE = "the program runs in our place";

/**
 * Runs the program and never returns: this process ends as the program did.
 * @throws Failure (cannot_run, no_program) when it does not start; (recording)
 *   under strict audit when the start is not durable
 */
export async function wrap(request: WrapRequest): Promise<never> {
  const run: Run = libc ? new NativeRun(libc) : new FallbackRun();
  run.setVariable(WRAPPED_VARIABLE, "1");
  const files = request.commands && (await hookFiles(request.commands));
  const recording = beginRecording(request, run, files);
  if (typeof recording === "string") {
    if (request.strict) throw unrecordable(recording);
    request.say?.(request.banner({ disabled: recording }));
    return leave(await run.run(request.program, unrecorded(request)), request);
  }
  await recording.recordScreen();
  request.say?.(request.banner(recording));
  recording.sayMore();
  return recording.run();
}

const unrecorded = ({ say }: WrapRequest): Watch => ({
  spawned() {},
  over() {},
  noChild(why) {
    say?.(`session-buddy: ${why}: ${IN_OUR_PLACE}\n`);
    return true;
  },
  alive() {},
  heartbeat: null,
});

/** The session under way, or why there is none. */
function beginRecording(
  request: WrapRequest,
  run: Run,
  files: Files | null,
): Recording | string {
  if (request.data === null || request.disabled !== null)
    return (
      request.disabled ??
      "there is no home folder to keep it in (set HOME, or SESSION_BUDDY_DATA_DIR)"
    );
  try {
    const folder = ensureSpool(request.data);
    const full = spoolFull(folder, request.spool_bytes);
    if (full === null) return new Recording(request, run, folder, files);
    // Nobody else would start one, on a host whose sessions are not recorded.
    new Drains(request, run, folder).start();
    return full;
  } catch (error) {
    return folderFailure(`${request.data}/spool`, error).message;
  }
}

class Recording implements Watch {
  readonly session_id: string;
  private readonly spool: SpoolWriter;
  /** Where our pid and the child's mean something. */
  private readonly place: Pick<Process, "pid_namespace" | "boot_id">;
  private trouble: string | null = null;
  private readonly facts: Discovery;
  private ended = false;
  private readonly hooks: Hooks | null;
  private readonly drains: Drains;
  private readonly resources: Resources;
  private readonly showing: Showing;

  constructor(
    private readonly request: WrapRequest,
    private readonly child: Run,
    private readonly folder: string,
    files: Files | null,
  ) {
    const startedAt = new Date();
    const { hooks, trouble } = Hooks.prepare({
      ...{ program: request.program, env: request.env, spool: folder },
      ...{ words: request.start.argv, files },
      data: request.data!,
    });
    this.hooks = hooks;
    if (trouble) this.trouble = `its commands are missing: ${trouble}`;
    let start;
    const { writer, session_id, locked } = SpoolWriter.create(folder, () => {
      start = startEvent(request.start, request.env, startedAt, folder);
      return start.session_id;
    });
    if (request.strict && !locked) throw unlockable();
    this.facts = new Discovery(request, child, folder, (facts) =>
      this.attempt(() => this.write({ event_type: "annotation", ...facts })),
    );
    this.drains = new Drains(request, child, folder);
    this.showing = new Showing(request);
    this.resources = new Resources(request, child, (measured) =>
      this.attempt(() =>
        this.write({ event_type: "annotation", measured }, "usage"),
      ),
    );
    this.spool = writer;
    this.session_id = session_id;
    start = start!;
    const { pid_namespace = null, boot_id = null } = start;
    this.place = { pid_namespace, boot_id };
    start.measured = {
      ...start.measured,
      recorder_version: VERSION,
      cli_preprocessing_enabled: this.commands,
    };
    this.spool.append({ ...start, lock: locked ? "flock" : "none" });
    if (request.strict) {
      this.spool.sync();
      this.spool.syncFolder();
    }
  }

  async run(): Promise<never> {
    const { child, request } = this;
    child.setVariable(SESSION_ID_VARIABLE, this.session_id);
    enterHooks(this.hooks, request.env, this.session_id, this.set);
    const program = this.hooks?.program ?? request.program;
    const outcome = await child.run(program, this);
    this.attempt(() => this.showing.end());
    if (outcome.kind !== "abandoned") await this.finish(outcome);
    this.drains.start();
    child.stopAsking();
    const trouble = this.trouble ?? this.showing.trouble;
    if (trouble)
      request.say?.(
        `session-buddy: this session is not fully recorded: ${trouble}\n`,
      );
    return leave(outcome, request);
  }

  /** @throws Failure (recording) where it may not be shown unrecorded, which is recorded */
  async recordScreen(): Promise<void> {
    const refused = await this.showing.begin(this.child, this.session_id);
    if (refused === null) return;
    const reason = refused.sentence;
    await this.finish({ kind: "unstarted", exit_status: 125, reason });
    throw refused;
  }

  get screen(): Shown | null {
    return this.showing.shown;
  }

  /** Whether what is typed is recorded. */
  get commands(): boolean {
    return this.hooks !== null;
  }

  private readonly set = (name: string, value: string | null) =>
    this.child.setVariable(name, value);

  /** What else a person should know at the start. */
  sayMore(): void {
    const { say, spool_bytes, data } = this.request;
    if (say && this.commands) say(news(data!));
    const warning = say && nearlyFull(this.folder, spool_bytes);
    if (warning) say(`session-buddy: ${warning}\n`);
  }

  spawned(pid: number): void {
    // What else we start is no sign that the session goes on.
    this.child.setVariable(SESSION_ID_VARIABLE, null);
    this.hooks?.left(this.set);
    this.attempt(() => this.writeProcess(pid, process.pid));
    // Of a child that is over by then, the end's own sync covers all.
    this.child.after(START_SYNC_MS, () => {
      if (!this.ended) this.attempt(() => this.spool.sync());
    });
    this.resources.begin(pid);
    this.facts.begin();
    this.child.after(CHILD_STARTED_MS, () => {
      if (this.ended) return;
      this.drains.start();
      this.facts.learn();
    });
  }

  over(): void {
    this.resources.over();
  }

  /** The program has our pid then, and nobody holds the lock: it is judged as one whose wrapper was killed. */
  noChild(why: string): boolean {
    if (this.request.strict) return false;
    this.attempt(() => {
      this.writeProcess(process.pid, process.ppid);
      this.spool.sync();
    });
    const shows = this.screen ? ", nor what it shows" : "";
    this.request.say?.(
      `session-buddy: ${why}: ${IN_OUR_PLACE}, and how it ends is not recorded${shows}\n`,
    );
    return true;
  }

  alive(): void {
    this.attempt(() => this.spool.touch());
  }

  get heartbeat() {
    return {
      every_ms: this.request.heartbeat_ms,
      beat: () => this.beat(),
      drain: this.drains.prepared,
      touches: () => this.spool.touched,
    };
  }

  private beat(): void {
    this.attempt(() => {
      this.renew();
      this.spool.retry();
      this.spool.touch();
    });
    this.drains.atBeat();
  }

  private async finish(outcome: Ended): Promise<void> {
    this.ended = true;
    const used = this.resources.end(outcome);
    const calm =
      outcome.kind === "exited" && !outcome.hung_up && !outcome.told_to_go;
    const { measured, ...rest } = await this.facts.last(calm);
    this.hooks?.end();
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
          ...this.showing.measured,
          ...used,
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

  private writeProcess(pid: number, ppid: number): void {
    const start_ticks = processStat(pid)?.start_ticks ?? null;
    const who = { pid, ppid, start_ticks, ...this.place };
    this.write({ event_type: "process", ...who });
  }

  /** @param series of which but the last one counts */
  private write(fields: OwnFields, series?: string): void {
    const event = {
      event_version: EVENT_VERSION,
      event_id: Bun.randomUUIDv7(),
      session_id: this.session_id,
      timestamp: new Date().toISOString(),
      ...fields,
    };
    this.spool.append(event, series);
  }

  /** Does a step of the recording; trouble with it is kept for the end. */
  private attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.trouble ??= folderFailure(this.folder, error).message;
    }
  }
}

function leave(outcome: Outcome, { program }: WrapRequest): never {
  if (outcome.kind === "exited") endAs(outcome.exit_code, outcome.signal);
  if (outcome.kind === "abandoned") endAs(null, outcome.told_to_go);
  const name = JSON.stringify(new TextDecoder().decode(program.file));
  const what = `cannot run ${name}: ${outcome.reason}`;
  if (outcome.exit_status === 125)
    throw fail.recording(
      what,
      "end some that are not needed, or have the limit raised (ulimit -u)",
    );
  throw new Failure(
    outcome.exit_status === 127 ? "no_program" : "cannot_run",
    what,
  );
}
