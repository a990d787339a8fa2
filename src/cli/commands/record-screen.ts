/**
 * `session-buddy record-screen DATA SESSION STARTED COLUMNS ROWS TERM FD MODES`: writes
 * what a wrapper's terminal shows, which it gets on standard input (record/tap.ts), and
 * says at the end what the recording came to, as JSON. FD is that terminal, which has
 * MODES without us: a wrapper that is killed cannot give them back. Internal: no help
 * names it.
 */
import { makeRoom, removeOld } from "../../access/removed-recordings.ts";
import { type Config, loadSettings, redactionOf } from "../../config/load.ts";
import { Failure, OutputClosed, reasonOf } from "../../model/failure.ts";
import { closeFile } from "../../os/file.ts";
import { libc } from "../../os/libc.ts";
import { raiseLimits } from "../../os/limits.ts";
import { CONFIG_VARIABLE } from "../../os/parent.ts";
import { leaveRaw } from "../../os/pty.ts";
import { SIGNALS } from "../../os/signals.ts";
import { readOut, recordStream } from "../../record/record-stream.ts";
import { Recorder } from "../../record/recorder.ts";
import type { Limits } from "../../record/recordings-quota.ts";
import { print } from "../terminal.ts";

const STDOUT = 1;
/** The wrapper's end is ours, and nothing else. */
const UNHEARD = [
  ...[SIGNALS.SIGTERM, SIGNALS.SIGHUP, SIGNALS.SIGINT, SIGNALS.SIGQUIT],
  ...[SIGNALS.SIGUSR1, SIGNALS.SIGUSR2, SIGNALS.SIGALRM, SIGNALS.SIGXCPU],
];

export async function recordScreen(words: readonly string[]): Promise<number> {
  const [root, session_id, started_at, columns, rows, ...more] = words;
  const [term, terminal, modes] = more;
  if (modes === undefined || !libc) return 64;
  const killed = () => leaveRaw(Number(terminal), Buffer.from(modes, "hex"));
  for (const signal of UNHEARD) libc.ignoreSignal(signal);
  // Those of the user's are for his programs.
  raiseLimits();
  const { calls } = libc;
  const sleep = (ms: number) => void calls.poll(null, 0, ms);
  const { env } = process;
  try {
    const settings = loadSettings(env, env[CONFIG_VARIABLE] || undefined);
    const header = {
      ...{ session_id: session_id!, started_at: started_at!, term: term! },
      ...{ columns: Number(columns), rows: Number(rows) },
    };
    const limits = limitsOf(root!, settings.config.recordings);
    const recorder = new Recorder(
      ...([root!, header, redactionOf(settings), limits, sleep] as const),
    );
    removeOld(root!, settings.config.recordings.keep_ms, Date.now());
    const { session_bytes, max_bytes } = limits;
    limits.leave(max_bytes - Math.min(session_bytes, max_bytes));
    tell("\n");
    const facts = recordStream(libc, recorder, sleep, killed);
    tell(`${JSON.stringify(facts)}\n`);
    // The wrapper waits for no disk.
    closeFile(STDOUT);
    recorder.sync();
    return 0;
  } catch (error) {
    const known = error instanceof Failure;
    const trouble = known
      ? error.message
      : `internal error: ${reasonOf(error)}`;
    tell(`${JSON.stringify({ trouble })}\n`);
    // The shell goes on, and so does what is to be seen to.
    readOut(libc, killed);
    return known ? error.exitStatus : 1;
  }
}

/** Answers the wrapper; one that is gone has left a terminal to see to. */
function tell(line: string): void {
  try {
    print(line);
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  }
}

/** The oldest recordings go for the ones that are made. */
function limitsOf(
  data: string,
  { session_bytes, max_bytes }: Config["recordings"],
): Limits {
  const leave = (bytes: number) => void makeRoom(data, bytes, Date.now());
  return { session_bytes, max_bytes, leave };
}
