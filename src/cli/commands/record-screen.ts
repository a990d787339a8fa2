/**
 * `session-buddy record-screen DATA SESSION STARTED COLUMNS ROWS TERM`: writes what a
 * wrapper's terminal shows, which it gets on standard input (record/tap.ts), and says at
 * the end what the recording came to, as JSON. Internal: no help names it.
 */
import {
  keptRecordings,
  makeRoom,
  partBytes,
} from "../../access/kept-recordings.ts";
import { type Config, loadSettings, redactionOf } from "../../config/load.ts";
import { CONFIG_VARIABLE } from "../../os/parent.ts";
import { FLUSH_MS, Recorder } from "../../record/recorder.ts";
import { Messages } from "../../record/tap.ts";
import { print } from "../terminal.ts";

export async function recordScreen(words: readonly string[]): Promise<number> {
  const [data, session_id, started_at, columns, rows, term] = words;
  if (term === undefined) return 64;
  // The wrapper's end is ours, and nothing else.
  for (const signal of ["SIGTERM", "SIGHUP", "SIGINT"] as const)
    process.on(signal, () => {});
  const { env } = process;
  const settings = loadSettings(env, env[CONFIG_VARIABLE] || undefined);
  const choice = redactionOf(settings);
  const most = mostBytes(data!, settings.config.recordings);
  const header = {
    ...{ session_id: session_id!, started_at: started_at!, term },
    ...{ columns: Number(columns), rows: Number(rows) },
  };
  const recorder = Recorder.create(data!, header, choice, most);
  let last_us = 0;
  let last_at = performance.now();
  const now_us = () => last_us + (performance.now() - last_at) * 1_000;
  const flushing = setInterval(() => {
    if (recorder.waits) recorder.flush(now_us());
  }, FLUSH_MS);
  const messages = new Messages();
  for await (const chunk of Bun.stdin.stream())
    for (const { kind, at_us, bytes } of messages.read(chunk)) {
      last_us = at_us;
      last_at = performance.now();
      if (kind === "o") recorder.shown({ at_us, bytes });
      else if (kind === "r") recorder.resized(bytes, at_us);
      else if (kind === "x")
        recorder.omit(Number(new TextDecoder().decode(bytes)));
    }
  clearInterval(flushing);
  print(`${JSON.stringify(recorder.close(last_us))}\n`);
  return 0;
}

/** How large this one may become: the oldest of the others go for it. */
function mostBytes(
  data: string,
  { session_bytes, max_bytes }: Config["recordings"],
): number {
  const wanted = Math.min(session_bytes, max_bytes);
  makeRoom(data, max_bytes - wanted, Date.now());
  const bytes = keptRecordings(data).reduce((sum, one) => sum + one.bytes, 0);
  return Math.min(wanted, Math.max(0, max_bytes - bytes - partBytes(data)));
}
