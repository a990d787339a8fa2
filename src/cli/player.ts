/**
 * Plays a recording at a terminal: in its own time, faster, or where somebody seeks. It
 * stays at the end until it is left; the terminal is then as it was.
 */
import type { Marker } from "../model/recording/cast.ts";
import type { Size } from "../model/recording/grid.ts";
import { Playback } from "../model/recording/playback.ts";
import type { Damage, RecordingReader } from "../model/recording/read.ts";
import { Picture } from "../render/picture.ts";
import { playerKeys, type PlayerKey } from "./player-keys.ts";
import type { Screen } from "./screen.ts";
import { type EndingSignal, Stage } from "./stage.ts";
import { statusLine } from "../render/player-status.ts";

export interface PlayRequest {
  reader: RecordingReader;
  /** Commands, in the order of their times. */
  markers: readonly Marker[];
  from_us: number;
  speed: number;
  /** What takes longer is cut to this; Infinity: nothing is. */
  idle_us: number;
  color: boolean;
  size(): Size;
}

/** How it was left: by a key, or by a signal's name. */
export interface Played {
  signal: EndingSignal | null;
  damage: Damage;
}

const FRAME_MS = 33;
/** Of the progress, where nothing else happens. */
const TICK_MS = 500;
/** So long it seeks before it shows how far it is, and looks for keys. */
const SEEK_MS = 100;
const STEP_US = 5_000_000;
const LEAP_US = 60_000_000;
const SLOWEST = 1 / 16;
const FASTEST = 1_024;

export async function play(request: PlayRequest): Promise<Played> {
  const player = new Player(request);
  return player.run();
}

class Player {
  private readonly playback: Playback;
  private picture = new Picture();
  private suspends = false;
  private readonly end_us: number;
  private speed: number;
  private paused = false;
  private stage!: Stage;
  /** Where it is to be; null: it is there. */
  private goal_us: number | null;
  /** When the next record is due, by performance.now(); null: not yet known. */
  private due_ms: number | null = null;
  /** Of the gap that it is in, how far it is when it is paused. */
  private position_us = 0;
  private wake: () => void = () => {};

  constructor(private readonly request: PlayRequest) {
    this.playback = new Playback(request.reader);
    this.end_us = request.reader.lastTime();
    this.speed = request.speed;
    this.goal_us = request.from_us;
  }

  async run(): Promise<Played> {
    const stage = new Stage({
      typed: (keys) => this.type(keys),
      changed: () => this.wake(),
      anew: () => {
        this.picture = new Picture();
        this.due_ms = null;
      },
    });
    this.stage = stage;
    try {
      while (!stage.left) {
        if (this.suspends) this.suspend();
        await this.next(stage.screen);
      }
    } catch (error) {
      // Of a terminal that was taken away nothing can be drawn.
      if (stage.signal !== "SIGHUP") throw error;
    } finally {
      stage[Symbol.dispose]();
    }
    return { signal: stage.signal, damage: this.playback.damage };
  }

  private suspend(): void {
    this.suspends = false;
    this.stage.suspend();
  }

  private async next(screen: Screen): Promise<void> {
    if (this.goal_us !== null) {
      this.seek(this.goal_us);
      this.draw(screen);
      if (this.goal_us !== null) return this.rest(0);
    }
    if (this.paused) {
      this.draw(screen);
      return this.rest(null);
    }
    this.advance();
    this.draw(screen);
    const isOver = this.playback.peek() === null;
    // Nobody could leave it.
    if (isOver && !screen.hasKeys) this.stage.leave();
    if (this.stage.left) return;
    const until =
      this.due_ms === null ? TICK_MS : this.due_ms - performance.now();
    await this.rest(
      isOver ? null : Math.min(Math.max(until, FRAME_MS), TICK_MS),
    );
  }

  /** Shows all that is due. */
  private advance(): void {
    const now = performance.now();
    for (
      let entry = this.playback.peek();
      entry;
      entry = this.playback.peek()
    ) {
      const last_us = Math.max(this.playback.at_us, this.position_us);
      const gap_us = Math.max(0, entry.at_us - last_us);
      const wait_us = Math.min(gap_us, this.request.idle_us);
      this.due_ms ??= now + wait_us / 1_000 / this.speed;
      if (this.due_ms > now) {
        const left_us = (this.due_ms - now) * 1_000 * this.speed;
        this.position_us = Math.max(last_us, entry.at_us - left_us);
        return;
      }
      const due_ms: number = this.due_ms;
      this.playback.step();
      this.position_us = entry.at_us;
      this.due_ms = null;
      const next = this.playback.peek();
      if (!next) return;
      const next_us = Math.min(next.at_us - entry.at_us, this.request.idle_us);
      // Counted from when it was due: being late does not add up; nor is it caught up
      // with, after a stop say.
      this.due_ms =
        Math.max(due_ms, now - TICK_MS) + next_us / 1_000 / this.speed;
      // There is more than can be shown in time: keys are heard all the same.
      if (performance.now() - now > SEEK_MS) return;
    }
  }

  private seek(to_us: number): void {
    const began = performance.now();
    const goesOn = () => performance.now() - began < SEEK_MS;
    if (!this.playback.seek(to_us, goesOn)) {
      this.position_us = this.playback.at_us;
      return;
    }
    this.position_us = Math.min(Math.max(to_us, 0), this.end_us);
    this.goal_us = null;
    this.due_ms = null;
  }

  private goTo(to_us: number): void {
    this.goal_us = Math.max(0, Math.min(to_us, this.end_us));
  }

  private draw(screen: Screen): void {
    const { request, playback } = this;
    const size = request.size();
    const status = statusLine({
      ...{ position_us: this.position_us, end_us: this.end_us },
      ...{ speed: this.speed, state: this.state() },
      label: this.command()?.label ?? null,
      omitted_bytes: playback.omitted_bytes,
      ...{ shown: playback.screen, size },
    });
    screen.put(this.picture.draw(playback.screen, size, status, request.color));
  }

  private state(): "playing" | "paused" | "end" | "seeking" {
    if (this.goal_us !== null) return "seeking";
    if (this.playback.peek() === null) return "end";
    return this.paused ? "paused" : "playing";
  }

  /** The last that had begun. */
  private command(): Marker | undefined {
    const { markers } = this.request;
    return markers.findLast(({ at_us }) => at_us <= this.position_us);
  }

  private type(keys: string): void {
    for (const key of playerKeys(keys)) this.press(key);
    this.wake();
  }

  private press(key: PlayerKey): void {
    const { markers } = this.request;
    const at_us = this.goal_us ?? this.position_us;
    if (key === "quit") this.stage.leave();
    else if (key === "interrupt") this.stage.end("SIGINT");
    else if (key === "suspend") this.suspends = true;
    else if (key === "pause") {
      this.paused = !this.paused;
      this.due_ms = null;
    } else if (key === "back") this.goTo(at_us - STEP_US);
    else if (key === "on") this.goTo(at_us + STEP_US);
    else if (key === "far back") this.goTo(at_us - LEAP_US);
    else if (key === "far on") this.goTo(at_us + LEAP_US);
    else if (key === "start") this.goTo(0);
    else if (key === "end") this.goTo(this.end_us);
    else if (key === "faster") this.setSpeed(this.speed * 2);
    else if (key === "slower") this.setSpeed(this.speed / 2);
    else if (key === "next command") {
      const next = markers.find((marker) => marker.at_us > at_us);
      if (next) this.goTo(next.at_us);
    } else {
      // The one before, not the start of this one again and again.
      const before = markers.findLast((marker) => marker.at_us < at_us - 1e6);
      this.goTo(before?.at_us ?? 0);
    }
  }

  private setSpeed(speed: number): void {
    this.speed = Math.min(Math.max(speed, SLOWEST), FASTEST);
    this.due_ms = null;
  }

  /** Until something happens, or so long. */
  private async rest(ms: number | null): Promise<void> {
    if (this.stage.left) return;
    await new Promise<void>((resolve) => {
      const timer = ms === null ? null : setTimeout(resolve, ms);
      this.wake = () => {
        if (timer !== null) clearTimeout(timer);
        resolve();
      };
    });
    this.wake = () => {};
  }
}
