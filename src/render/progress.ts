/** Formats how far long work is: a bar for a terminal, a line for a log. */
import { escapeText } from "./escape.ts";

export interface ProgressState {
  name: string;
  step: string;
  /** 0 to 1; null when nobody knows. */
  fraction: number | null;
  elapsed_ms: number;
}

const MOST_CELLS = 30;
const FULL = "█";
const EMPTY = "░";

/** `backup: reading back, 57 %, 12 s` */
export function progressLine(state: ProgressState): string {
  const { name, step, fraction, elapsed_ms } = state;
  const parts = [step, percent(fraction), seconds(elapsed_ms)].filter(Boolean);
  return escapeText(`${name}: ${parts.join(", ")}`);
}

/** @param width in cells, which it never exceeds */
export function progressBar(state: ProgressState, width: number): string {
  const { name, step, fraction, elapsed_ms } = state;
  const before = escapeText(`${name}: `);
  const after = [percent(fraction).padStart(6), seconds(elapsed_ms)].join("  ");
  const words = escapeText(step && `  ${step}`);
  const room = width - before.length - after.length;
  const cells = Math.min(MOST_CELLS, room);
  if (fraction === null || cells < 5)
    return `${before}${seconds(elapsed_ms)}${words}`.slice(0, width);
  const full = Math.floor(cells * fraction);
  const bar = FULL.repeat(full) + EMPTY.repeat(cells - full);
  return `${before}${bar}${after}${words}`.slice(0, width);
}

const percent = (fraction: number | null) =>
  fraction === null ? "" : `${Math.floor(fraction * 100)} %`;

/** `9 s`, `2:05`, `1:02:05` */
function seconds(ms: number): string {
  const whole = Math.floor(ms / 1_000);
  if (whole < 60) return `${whole} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [whole / 3_600, (whole / 60) % 60, whole % 60].map(
    Math.floor,
  );
  return h! > 0 ? `${h}:${two(m!)}:${two(s!)}` : `${m}:${two(s!)}`;
}
