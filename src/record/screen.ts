/**
 * Puts a recorded terminal (terminal.ts) between the wrapper's and the program's, when
 * there can be one.
 */
import { libc } from "../os/libc.ts";
import { NativeRun } from "./child.ts";
import type { Run } from "./outcome.ts";
import type { Screen } from "./request.ts";
import { Tap } from "./tap.ts";
import { type After, RecordedTerminal } from "./terminal.ts";

export interface ScreenRequest {
  data: string;
  term: string;
}

/** Puts a terminal between that is recorded; in words, why there is none. */
export function recordTerminal(
  run: Run,
  session_id: string,
  { data, term }: ScreenRequest,
): Screen | string {
  if (!libc || !(run instanceof NativeRun))
    return "its screen is not recorded: the engine may not compile code here";
  const after: After = (ms, step) => run.after(ms, step);
  const terminal = RecordedTerminal.open(libc, after);
  if (!terminal) return "its screen is not recorded: it is on no terminal";
  const { columns, rows } = terminal.size;
  const words = [new Date().toISOString(), columns, rows, term].map(String);
  terminal.tap = Tap.open(libc, [data, session_id, ...words]);
  if (!terminal.tap) {
    terminal.close();
    return "its screen is not recorded: there is no process for that";
  }
  run.showOn(terminal);
  return terminal;
}
