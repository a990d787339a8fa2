/**
 * Sessions in lanes, one a user and host, or one a user, or one a host. Those of a lane
 * that overlap stand in rows below each other.
 */

export interface Bar {
  session_id: string;
  username: string;
  hostname: string;
  component: string;
  /** Milliseconds since the epoch. */
  from: number;
  /** null while it lives on. */
  to: number | null;
  look: Look;
  failed_commands: number;
}

export const LOOKS = ["well", "active", "lost", "failed"] as const;
export type Look = (typeof LOOKS)[number];

export const GROUPS = {
  user_host: "user and host",
  user: "user",
  host: "host",
} as const;
export type Group = keyof typeof GROUPS;

export interface Lane {
  name: string;
  /** By their begin. */
  bars: readonly Bar[];
  /** The row of each. */
  rows: readonly number[];
  /** Pixels from the top of all lanes, and how high it is. */
  top: number;
  height: number;
}

export const ROW = 12;
const GAP = 8;
/** Further ones of a moment share the last row. */
const ROWS_MAX = 4;

const nameOf = ({ username, hostname }: Bar, group: Group): string =>
  group === "user"
    ? username
    : group === "host"
      ? hostname
      : `${username}@${hostname}`;

export function lanesOf(bars: readonly Bar[], group: Group): Lane[] {
  const groups = Map.groupBy(bars, (bar) => nameOf(bar, group));
  const names = [...groups.keys()].sort((a, b) => a.localeCompare(b));
  let top = 0;
  return names.map((name) => {
    const own = groups.get(name)!.toSorted((a, b) => a.from - b.from);
    const rows = rowsOf(own);
    const height = ROW * (1 + Math.max(...rows)) + GAP;
    const lane = { name, bars: own, rows, top, height };
    top += height;
    return lane;
  });
}

/** The first row that is free when it begins. */
function rowsOf(bars: readonly Bar[]): number[] {
  const ends: number[] = [];
  return bars.map(({ from, to }) => {
    const free = ends.findIndex((end) => end <= from);
    const row = free >= 0 ? free : Math.min(ends.length, ROWS_MAX - 1);
    ends[row] = Math.max(ends[row] ?? 0, to ?? Infinity);
    return row;
  });
}

/** The last of some that are in order of which the top is at or above a place; -1 for none. */
export function laneAt(lanes: readonly Lane[], y: number): number {
  let [low, high] = [0, lanes.length];
  while (low < high) {
    const mid = (low + high) >> 1;
    if (lanes[mid]!.top <= y) low = mid + 1;
    else high = mid;
  }
  return low - 1;
}
