/**
 * Shows a person how far long work is, on stderr: at a terminal a bar, once it has
 * taken a second, which goes when it is done; else a line every ten seconds.
 */
import { type Listener, type Task, listen } from "../model/progress.ts";
import { say } from "../os/file.ts";
import { terminalWidth } from "../os/output.ts";
import { isTerminal, processStat } from "../os/proc.ts";
import { progressBar, progressLine } from "../render/progress.ts";

const PATIENCE_MS = 1_000;
const REDRAW_MS = 100;
const LINE_MS = 10_000;
const CLEAR = "\r\x1b[K";
const DEFAULT_WIDTH = 80;

/** Where it is shown. */
export interface Place {
  /** A terminal that can go back in its line; else it gets lines. */
  bar: boolean;
  now(): number;
  say(text: string): void;
  width(): number;
  /** False for a job in the background, whose terminal is another's now. */
  isOurs(): boolean;
}

const STDERR: Omit<Place, "bar"> = {
  now: () => performance.now(),
  say,
  width: () => terminalWidth(2) ?? DEFAULT_WIDTH,
  isOurs() {
    const { pgrp, foreground } = processStat(process.pid) ?? {};
    return foreground === undefined || foreground < 0 || foreground === pgrp;
  },
};

let shown: ProgressDisplay | null = null;

/** From now on; `listen(null)` ends it. */
export function showProgress(): void {
  const bar = isTerminal(2) && process.env["TERM"] !== "dumb";
  listen((shown = new ProgressDisplay({ ...STDERR, bar })));
}

/** What takes the bar away, to be put before any other text at the terminal. */
export const cleared = (): string => shown?.cleared() ?? "";

export class ProgressDisplay implements Listener {
  private readonly tasks = new Set<Task>();
  private timer: Timer | null = null;
  private said_ms = -Infinity;
  private drawn = false;

  constructor(private readonly place: Place) {}

  changed(task: Task): void {
    this.tasks.add(task);
    // Work that leaves the event loop no time says where it is all the same.
    this.look();
    this.timer ??= this.watch();
  }

  ended(task: Task): void {
    this.tasks.delete(task);
    const text = this.cleared();
    if (text !== "") this.place.say(text);
    if (this.tasks.size > 0 || !this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
  }

  cleared(): string {
    const text = this.drawn ? CLEAR : "";
    this.drawn = false;
    return text;
  }

  private watch(): Timer {
    const timer = setInterval(() => this.look(), REDRAW_MS);
    // It keeps nobody from ending.
    timer.unref();
    return timer;
  }

  /** Shows the newest task, if it is time. */
  look(): void {
    const task = [...this.tasks].at(-1);
    if (!task) return;
    const { place } = this;
    const now = place.now();
    const { name, step, fraction, began_ms } = task;
    const elapsed_ms = now - began_ms;
    const state = { name, step, fraction, elapsed_ms };
    if (elapsed_ms < (place.bar ? PATIENCE_MS : LINE_MS)) return;
    if (now - this.said_ms < (place.bar ? REDRAW_MS : LINE_MS)) return;
    if (place.bar && !place.isOurs()) return;
    this.said_ms = now;
    if (!place.bar) return place.say(`session-buddy: ${progressLine(state)}\n`);
    // The last cell of a line may begin the next one.
    place.say(`\r${progressBar(state, place.width() - 1)}\x1b[K`);
    this.drawn = true;
  }
}
