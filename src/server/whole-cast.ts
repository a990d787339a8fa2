/** A recording as asciicast, as far as it is written, from its start, bit by bit. */
import { type Ending, readingTurns } from "../access/follow-recording.ts";
import type { OpenRecording } from "../access/recordings.ts";
import type { Command } from "../model/command.ts";
import { fail } from "../model/failure.ts";
import { CastLines, type Marker, castLines } from "../model/recording/cast.ts";
import { damageText, markersOf } from "../render/recording.ts";

const CHUNK_LETTERS = 64 * 1024;
const SLICE_MS = 5;

export class WholeCast {
  readonly ready: Promise<void>;
  /** Of its commands, oldest first. */
  private readonly markers: Marker[] = [];
  private readonly damage = { torn_bytes: 0, damaged_bytes: 0 };
  private lines: Generator<string> | null = null;
  private ending: Ending | null = null;
  private isOver = false;

  get began_at(): string {
    return this.recording.reader.header.started_at;
  }

  /** @param commands newest first */
  constructor(
    private readonly recording: OpenRecording,
    commands: AsyncIterable<Command>,
    private readonly left: () => void,
  ) {
    this.ready = this.mark(commands);
    // It is waited for later.
    this.ready.catch(() => {});
  }

  private async mark(commands: AsyncIterable<Command>): Promise<void> {
    const { header } = this.recording.reader;
    for await (const command of commands)
      this.markers.push(...markersOf([command], header));
    this.markers.reverse();
  }

  /** @throws Failure when it was told to end: what was sent is not whole */
  async next(): Promise<string | null> {
    await readingTurns.next();
    if (this.ending) throw fail.gone(this.ending.why);
    if (this.isOver) return null;
    const { reader } = this.recording;
    this.lines ??= castLines(reader, 3, this.markers, this.damage);
    const began = performance.now();
    let text = "";
    while (
      text.length < CHUNK_LETTERS &&
      performance.now() - began < SLICE_MS
    ) {
      const { value, done } = this.lines.next();
      if (!done) text += value;
      else {
        const damaged = damageText(this.damage);
        if (damaged !== null) text += new CastLines(3).event(0, "m", damaged);
        this.leave();
        return text === "" ? null : text;
      }
    }
    return text;
  }

  end(ending: Ending): void {
    this.ending ??= ending;
  }

  leave(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.recording[Symbol.dispose]();
    this.left();
  }
}
