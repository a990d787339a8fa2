/** What the parts of a simulation cost, and what a server says of itself. */
import { readFileSync, readdirSync } from "node:fs";

/** Of USER_HZ, which Linux shows to programs. */
const TICKS_A_SECOND = 100;

/** Processor seconds of a process, those of its ended children included. */
function ownSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // utime, stime, cutime, cstime.
    const ticks = fields.slice(11, 15).map(Number);
    return ticks.reduce((sum, n) => sum + n, 0) / TICKS_A_SECOND;
  } catch {
    // It has ended: its parent has it now.
    return 0;
  }
}

/** Of a process and those that it has started. */
export function cpuSeconds(pid: number): number {
  let sum = ownSeconds(pid);
  for (const child of readdirSync("/proc").map(Number))
    if (child > 0 && parentOf(child) === pid) sum += ownSeconds(child);
  return sum;
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0;
  }
}

/** In megabytes; 0 of one that has ended. */
export function residentMb(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

export interface Said {
  queue: number;
  commits: number;
  commit_seconds: number;
  events: number;
}

/** @returns null when the server does not answer */
export async function metricsOf(origin: string): Promise<Said | null> {
  try {
    const response = await fetch(`${origin}/metrics`, {
      signal: AbortSignal.timeout(5_000),
    });
    const text = await response.text();
    const value = (name: string) =>
      Number(
        new RegExp(`^session_buddy_${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(
          text,
        )?.[1] ?? 0,
      );
    return {
      queue: value("queue_depth"),
      commits: value("store_commit_seconds_count"),
      commit_seconds: value("store_commit_seconds_sum"),
      events: value("store_commit_events_total"),
    };
  } catch {
    return null;
  }
}
