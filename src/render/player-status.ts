/** The line below a replay: how far it is, how fast, what runs, and the keys. */
import type { Size } from "../model/recording/grid.ts";
import { escapeText } from "./escape.ts";
import { bytes } from "./format.ts";
import { cut } from "./table.ts";

export interface PlayerStatus {
  position_us: number;
  end_us: number;
  speed: number;
  state: "playing" | "paused" | "end" | "seeking";
  /** The command that began last; null where none is known. */
  label: string | null;
  omitted_bytes: number;
  /** The recorded screen's, and the viewer's. */
  shown: { columns: number; rows: readonly unknown[] };
  size: Size;
}

const KEYS = "space pause, arrows seek, [ ] commands, + - speed, q quit";
const MOST_LABEL = 40;
const BAR = 20;
const two = (n: number) => String(n).padStart(2, "0");

export function statusLine(status: PlayerStatus): string {
  const { position_us, end_us, speed, state, label, size, shown } = status;
  const filled =
    end_us > 0 ? Math.round((Math.min(position_us, end_us) / end_us) * BAR) : 0;
  const bar = "#".repeat(filled) + "-".repeat(BAR - filled);
  const small =
    shown.columns > size.columns || shown.rows.length > size.rows - 1
      ? `recorded at ${shown.columns}x${shown.rows.length}`
      : "";
  const parts = [
    ` ${clockTime(position_us)} / ${clockTime(end_us)} [${bar}] ${state}`,
    speed === 1 ? "" : `x${Number(speed.toFixed(3))}`,
    status.omitted_bytes > 0 ? `${bytes(status.omitted_bytes)} left out` : "",
    small,
    label === null ? "" : `$ ${cut(escapeText(label), MOST_LABEL)}`,
    KEYS,
  ].filter(Boolean);
  // A letter in the last cell would scroll some terminals.
  return cut(parts.join("  "), Math.max(1, size.columns - 1));
}

/** The line below a screen that is watched live. */
export function liveLine(
  session_id: string,
  { columns, rows }: PlayerStatus["shown"],
  at_us: number,
  size: Size,
): string {
  const isLarge = columns > size.columns || rows.length > size.rows - 1;
  const parts = [
    ` live ${clockTime(at_us)}  ${session_id}`,
    isLarge ? `it is ${columns}x${rows.length}` : "",
    "q quit",
  ].filter(Boolean);
  return cut(parts.join("  "), Math.max(1, size.columns - 1));
}

/** `0:07`, `12:34`, `1:02:03`. */
function clockTime(us: number): string {
  const s = Math.floor(us / 1e6);
  const [hours, minutes] = [Math.floor(s / 3_600), Math.floor(s / 60) % 60];
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(s % 60)}`
    : `${minutes}:${two(s % 60)}`;
}
