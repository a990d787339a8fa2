/**
 * Plays the recording of a session: fetches it by the page's token, and tells where it
 * is, in the time of the recording. Waits that are long are played as short ones.
 */
import { signal } from "@preact/signals";
import type { Player } from "asciinema-player";
import { RECORDING_BEGAN } from "../../../model/recording/place.ts";
import { away, fetched } from "./access.ts";
import {
  type CastEvent,
  type CastHead,
  CastReader,
  Pace,
  damageIn,
  saysDamage,
} from "./cast.ts";
import { type LiveScreen, liveSource } from "./live-screen.ts";
import type { TranscriptLine } from "./transcript-lines.ts";

/** `closed` before anybody asked for it; `over`: the session that was watched has ended. */
export type State = "closed" | "loading" | "ready" | "live" | "over";

type Script = typeof import("./player.ts");
type Create = Script["create"];

const PLAYER = "/player.js";
const player = (): Promise<Script> => import(PLAYER);

export interface Pacing {
  speed: number;
  /** Waits are no longer than that; null: as they were. */
  idle_s: number | null;
}

const WHERE_MS = 100;
export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16];
/** The longest wait, by default. */
export const IDLE_S = 2;

export class Playing {
  readonly state = signal<State>("closed");
  readonly trouble = signal<string | null>(null);
  /** What the server says of it: what is damaged, why it is over. */
  readonly note = signal<string | null>(null);
  readonly loaded_bytes = signal(0);
  readonly plays = signal(false);
  /** Seconds since the recording began, of what is to be seen. */
  readonly at_s = signal(0);
  readonly head = signal<CastHead | null>(null);
  /** The second that it has written to the address. */
  written: string | null = null;
  events: readonly CastEvent[] = [];
  /** Commands, and what was left out. */
  markers: readonly (readonly [at_s: number, label: string])[] = [];
  readonly pace = signal(new Pace([], null));
  readonly pacing = signal<Pacing>({ speed: 1, idle_s: IDLE_S });

  private readonly path: string;
  /** Where it is on its way to. */
  private wanted_s: number | null = null;
  private isChanging = false;
  /** The second to be shown once it is fetched; of many that are asked for the last counts. */
  private asked = () => 0;
  private element: HTMLElement | null = null;
  private shown: Player | null = null;
  private screen: LiveScreen | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;
  private gone = new AbortController();

  constructor(session_id: string) {
    this.path = `/recordings/${encodeURIComponent(session_id)}.cast`;
  }

  /** Where it is drawn. */
  attach(element: HTMLElement): void {
    this.element = element;
  }

  get isOpen(): boolean {
    return this.state.value === "ready" || this.state.value === "over";
  }

  get length_s(): number {
    return this.events.at(-1)?.[0] ?? 0;
  }

  /** Shows a moment, and fetches the recording for that where it is not there. */
  async openAt(ms: number): Promise<void> {
    const at_s = () => (ms - this.head.value!.began_ms) / 1_000;
    const { value } = this.state;
    if (value === "ready") return this.seek(at_s());
    const isShut = value === "closed" || value === "over";
    const opened = isShut ? this.open(0) : null;
    this.asked = at_s;
    await opened;
  }

  /** Fetches it, and shows what was to be seen at a moment. */
  async open(at_s: number, plays = false): Promise<void> {
    this.end();
    this.trouble.value = null;
    this.state.value = "loading";
    this.asked = () => at_s;
    const { signal } = this.gone;
    try {
      const script = player();
      const events: CastEvent[] = [];
      for await (const some of this.read(this.path, signal))
        for (const event of some) events.push(event);
      const { create } = await script;
      if (signal.aborted) return;
      this.events = events;
      this.note.value = damageIn(events);
      this.markers = events
        .filter(([, code, label]) => code === "m" && !saysDamage(label))
        .map(([at_s, , label]) => [at_s, label] as const);
      const mounted_s = this.asked();
      await this.mount(create, mounted_s);
      this.state.value = "ready";
      if (this.asked() !== mounted_s) await this.seek(this.asked());
      if (plays) await this.play();
    } catch (error) {
      this.failed(error, signal);
    }
  }

  /** Shows what is shown there now, as it comes. */
  async follow(): Promise<void> {
    this.end();
    this.trouble.value = null;
    this.state.value = "loading";
    const { signal } = this.gone;
    try {
      const { create } = await player();
      for await (const some of this.read(`${this.path}?follow`, signal)) {
        const head = this.head.value!;
        if (this.screen === null) {
          this.screen = liveSource(head);
          this.element!.replaceChildren();
          this.shown = create(this.screen.source, this.element!, {
            autoPlay: true,
          });
          this.state.value = "live";
        }
        this.screen.show(some);
        const last = some.at(-1);
        if (last) this.at_s.value = last[0];
        // Why nothing more comes.
        const why = some.findLast(([, code]) => code === "m");
        if (why) this.note.value = why[2];
      }
      this.screen?.end();
      this.state.value = "over";
    } catch (error) {
      this.failed(error, signal);
    }
  }

  /** At the end it begins anew. */
  play(): Promise<void> {
    return this.tell((shown) => shown.play());
  }

  pause(): Promise<void> {
    return this.tell((shown) => shown.pause());
  }

  toggle(): void {
    void (this.plays.value ? this.pause() : this.play());
  }

  /** Of many at once the last counts. @param at_s of the recording */
  async seek(at_s: number): Promise<void> {
    if (this.state.value === "loading") this.asked = () => at_s;
    if (this.state.value !== "ready") return;
    const to_s = Math.min(Math.max(0, at_s), this.length_s);
    this.at_s.value = to_s;
    const seeks = this.wanted_s !== null;
    this.wanted_s = to_s;
    if (seeks) return;
    try {
      for (let done_s = NaN; done_s !== this.wanted_s;) {
        const played_s = this.pace.value.played((done_s = this.wanted_s));
        await this.tell((shown) => shown.seek(played_s));
      }
    } finally {
      this.wanted_s = null;
    }
  }

  /** So far on or back, as it is played. */
  step(by_s: number): void {
    const pace = this.pace.value;
    const to_s = pace.played(this.at_s.value) + by_s;
    void this.seek(pace.recorded(Math.max(0, to_s)));
  }

  /** To the next one, or to the one before; of one that has just passed, to the one before it. */
  toMarker(way: 1 | -1): void {
    const at_s = this.at_s.value;
    const all = this.markers.map(([at_s]) => at_s);
    const to_s =
      way === 1
        ? all.find((each) => each > at_s + 0.1)
        : all.findLast((each) => each < at_s - (this.plays.value ? 1 : 0.1));
    void this.seek(to_s ?? (way === 1 ? this.length_s : 0));
  }

  async transcript(): Promise<TranscriptLine[]> {
    const { transcriptOf } = await player();
    return transcriptOf(this.head.value!, this.events);
  }

  /** Twice as fast, or half as fast, as far as that goes. */
  faster(way: 1 | -1): void {
    const speed = SPEEDS[SPEEDS.indexOf(this.pacing.value.speed) + way];
    if (speed !== undefined) void this.setPacing({ speed });
  }

  /** It begins anew with that, where it was; of many at once the last counts. */
  async setPacing(pacing: Partial<Pacing>): Promise<void> {
    this.pacing.value = { ...this.pacing.value, ...pacing };
    if (this.state.value !== "ready" || this.isChanging) return;
    this.isChanging = true;
    try {
      const { create } = await player();
      for (let last: Pacing | null = null; last !== this.pacing.value;) {
        last = this.pacing.value;
        if (this.state.value !== "ready") return;
        const played = this.plays.value;
        await this.mount(create, this.at_s.value);
        if (played) await this.play();
      }
    } finally {
      this.isChanging = false;
    }
  }

  /** Nothing is shown any more. */
  end(): void {
    this.gone.abort();
    this.gone = new AbortController();
    this.unmount();
    this.screen = null;
    this.note.value = null;
    this.state.value = "closed";
  }

  /** What is taken away while it obeys says so, and nobody waits for it. */
  private async tell(what: (shown: Player) => Promise<unknown>): Promise<void> {
    const { shown } = this;
    if (!shown) return;
    try {
      await what(shown);
    } catch (error) {
      if (this.shown === shown) throw error;
    }
  }

  /** Of whoever leaves, nothing is left. */
  private failed(error: unknown, of: AbortSignal): void {
    if (of.aborted) return;
    this.unmount();
    this.trouble.value = (error as Error).message;
    this.state.value = "closed";
  }

  private async *read(
    path: string,
    of: AbortSignal,
  ): AsyncGenerator<CastEvent[]> {
    const response = await fetched(path, of);
    const reader = new CastReader();
    this.loaded_bytes.value = 0;
    const began_ms = Date.parse(response.headers.get(RECORDING_BEGAN) ?? "");
    const known = Number.isNaN(began_ms) ? undefined : began_ms;
    const body = response.body!.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await body.read().catch(away);
      if (done) break;
      this.loaded_bytes.value += value.length;
      const events = reader.push(
        decoder.decode(value, { stream: true }),
        known,
      );
      if (reader.head === null) continue;
      this.head.value = reader.head;
      yield events;
    }
    if (reader.head === null) throw new Error("the recording is empty");
  }

  private async mount(create: Create, at_s: number): Promise<void> {
    this.unmount();
    const { speed, idle_s } = this.pacing.value;
    const { columns: cols, rows } = this.head.value!;
    const { events } = this;
    const pace = (this.pace.value = new Pace(events, idle_s));
    const recording = {
      ...{ cols, rows },
      events: events.map(
        ([at_s, code, data]) =>
          [pace.played(at_s) * 1_000, code, data] as [number, "o", string],
      ),
    };
    const shown = create(
      { data: recording as never, parser: () => recording },
      this.element!,
      { speed, preload: true },
    );
    this.shown = shown;
    shown.addEventListener("playing", () => this.playing(true));
    shown.addEventListener("pause", () => this.playing(false));
    shown.addEventListener("ended", () => this.playing(false));
    const to_s = Math.min(Math.max(0, at_s), this.length_s);
    this.at_s.value = to_s;
    await this.tell(() => shown.seek(pace.played(to_s)));
  }

  private playing(is: boolean): void {
    this.plays.value = is;
    clearInterval(this.timer);
    this.look();
    if (is) this.timer = setInterval(() => this.look(), WHERE_MS);
  }

  private look(): void {
    if (!this.shown || this.wanted_s !== null) return;
    const played_s = this.shown.getCurrentTime();
    this.at_s.value = Math.min(
      this.pace.value.recorded(played_s),
      this.length_s,
    );
  }

  private unmount(): void {
    clearInterval(this.timer);
    this.plays.value = false;
    this.shown?.dispose();
    this.shown = null;
  }
}
