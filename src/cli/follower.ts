/**
 * Shows the screen of a session that runs, as it changes, until that is over or left;
 * the terminal is then as it was.
 */
import type { Ending } from "../access/follow-recording.ts";
import type { LiveLook } from "../access/live-recording.ts";
import type { Size } from "../model/recording/grid.ts";
import { Output } from "../os/output.ts";
import { escapeText } from "../render/escape.ts";
import { Picture } from "../render/picture.ts";
import { liveLine } from "../render/player-status.ts";
import { playerKeys } from "./player-keys.ts";
import { ENDING, type EndingSignal, Stage } from "./stage.ts";

export interface FollowRequest {
  look: LiveLook;
  color: boolean;
  size(): Size;
}

/** How it was left: by its own end, by a key (neither), or by a signal. */
export interface FollowedTo {
  ending: Ending | null;
  signal: EndingSignal | null;
}

const FRAME_MS = 33;
const LATE_MS = 100;
/** Of the clock in the last line. */
const TICK_MS = 1_000;

export async function followAtTerminal(
  request: FollowRequest,
): Promise<FollowedTo> {
  const follower = new Follower(request);
  return follower.run();
}

class Follower {
  private picture = new Picture();
  private drawn_ms = 0;
  private readonly began_ms = performance.now();
  private readonly gone = new AbortController();
  private stage!: Stage;
  /** What kept it from being drawn. */
  private failure: unknown = null;

  constructor(private readonly request: FollowRequest) {}

  async run(): Promise<FollowedTo> {
    const stage = new Stage({
      typed: (keys) => this.type(keys),
      changed: () => {
        if (stage.left) this.gone.abort();
        else this.draw();
      },
      anew: () => (this.picture = new Picture()),
    });
    this.stage = stage;
    let ending: Ending | null = null;
    try {
      ending = await this.follow();
      if (this.failure !== null) throw this.failure;
    } catch (error) {
      // Of a terminal that was taken away nothing can be drawn; the signal that says
      // so may come a little later.
      if (stage.signal === null) await Bun.sleep(LATE_MS);
      if (stage.signal !== "SIGHUP") throw error;
    } finally {
      stage[Symbol.dispose]();
    }
    return { ending, signal: stage.signal };
  }

  private async follow(): Promise<Ending | null> {
    let isDue = true;
    const timer = setInterval(() => {
      const since_ms = performance.now() - this.drawn_ms;
      if (!isDue && since_ms < TICK_MS) return;
      isDue = false;
      this.draw();
    }, FRAME_MS);
    try {
      const steps = this.request.look.steps(this.gone.signal);
      for (;;) {
        const { value, done } = await steps.next();
        if (done) return value;
        isDue = true;
      }
    } finally {
      clearInterval(timer);
    }
  }

  private draw(): void {
    if (this.stage.left) return;
    const { look, color } = this.request;
    this.drawn_ms = performance.now();
    const screen = look.screen();
    const size = this.request.size();
    const live_us = (this.drawn_ms - this.began_ms) * 1_000;
    const status = liveLine(look.session_id, screen, live_us, size);
    try {
      this.stage.screen.put(this.picture.draw(screen, size, status, color));
    } catch (error) {
      this.failure ??= error;
      this.gone.abort();
    }
  }

  private type(keys: string): void {
    for (const key of playerKeys(keys))
      if (key === "quit") this.stage.leave();
      else if (key === "interrupt") this.stage.end("SIGINT");
      else if (key === "suspend") this.stage.suspend();
  }
}

/** Writes the lines that leave the screen, as they do, and at the end those on it. */
export async function followInPipe(look: LiveLook): Promise<FollowedTo> {
  const gone = new AbortController();
  let signal: EndingSignal | null = null;
  for (const name of ENDING)
    process.on(name, () => {
      signal ??= name;
      gone.abort();
    });
  const output = new Output();
  const told = (line: string) =>
    output.write(`${escapeText(line.trimEnd())}\n`);
  const steps = look.steps(gone.signal);
  for (;;) {
    // A server's screen is another one once it has said how large it is.
    look.screen().told = told;
    const { value, done } = await steps.next();
    if (done) look.screen().end();
    output.flush();
    if (done) return { ending: value, signal };
  }
}
