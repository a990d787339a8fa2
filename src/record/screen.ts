/**
 * Puts a recorded terminal (terminal.ts) between the wrapper's and the program's, when
 * there can be one.
 */
import { closeFile } from "../os/file.ts";
import { type Libc, libc } from "../os/libc.ts";
import { CONFIG_VARIABLE } from "../os/parent.ts";
import { deviceOf } from "../os/pty.ts";
import { NativeRun } from "./child.ts";
import type { Run } from "./outcome.ts";
import type { Screen, Unrecorded } from "./request.ts";
import { Tap } from "./tap.ts";
import { RecordedTerminal } from "./terminal.ts";

export interface ScreenRequest {
  /** The folder that `recordings/` is in. */
  root: string;
  term: string;
  /** The file of --config, whose rules and sizes hold; undefined: there is none. */
  config: string | undefined;
  /** Nothing is run before there is a recording. */
  strict: boolean;
}

const F_DUPFD = 0;
/** Beyond what programs are given by number. */
const HIGH_DESCRIPTOR = 100;
const STANDARD = ["input", "output", "error output"];

/** Puts a terminal between that is recorded; else why there is none. */
export function recordTerminal(
  run: Run,
  session_id: string,
  request: ScreenRequest,
): Screen | Unrecorded {
  if (!libc || !(run instanceof NativeRun))
    return { trouble: "the engine may not compile code here" };
  const terminals = [0, 1, 2].filter((fd) => libc!.isatty(fd));
  if (terminals.length === 0) return { without: "it is on no terminal" };
  const missing = [0, 1].find((fd) => !terminals.includes(fd));
  if (missing !== undefined)
    return { trouble: `its ${STANDARD[missing]} is no terminal` };
  const [device] = terminals.map(deviceOf);
  const other = terminals.find((fd) => deviceOf(fd) !== device);
  if (other !== undefined)
    return { trouble: `its ${STANDARD[other]} is on another terminal` };
  run.keepInherited();
  // The program is run without it, or with what its hooks say.
  const { config } = request;
  if (config !== undefined) run.setVariable(CONFIG_VARIABLE, config);
  const terminal = RecordedTerminal.open(libc, run);
  if (!terminal) return { trouble: "there is no further terminal to be had" };
  terminal.tap = openTap(libc, session_id, request, terminal);
  const trouble = terminal.tap
    ? request.strict && terminal.tap.trouble()
    : "there is no process for that";
  if (trouble) {
    terminal.close();
    return { trouble };
  }
  run.showOn(terminal);
  return terminal;
}

/** The recorder has our terminal, too: to leave it as it was when we are killed. */
function openTap(
  c: Libc,
  session_id: string,
  { root, term }: ScreenRequest,
  { initial: { size, modes } }: RecordedTerminal,
): Tap | null {
  const own = c.calls.fcntl(0, F_DUPFD, HIGH_DESCRIPTOR);
  const { columns, rows } = size;
  const words = [new Date().toISOString(), columns, rows, term, own].map(
    String,
  );
  const raw = Buffer.from(modes).toString("hex");
  const tap = Tap.open(c, [root, session_id, ...words, raw]);
  closeFile(own);
  return tap;
}
