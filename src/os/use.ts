/** What a process has of a file: it is open there, and locked. */
import { readdirSync } from "node:fs";
import { statFile } from "./stat.ts";
import { readProc } from "./proc.ts";

/**
 * What a process of our pid namespace has of a file, by its own descriptors: in
 * /proc/locks a file has other numbers than stat says on btrfs and overlayfs,
 * and who is in another pid namespace is left out.
 * @returns `no`: it has not opened it; `unknown` where we may not look
 */
export function useOf(
  pid: number,
  path: string,
): "locked" | "open" | "no" | "unknown" {
  const identity = statFile(path, { follow: true })?.identity;
  let names: string[];
  try {
    names = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return "unknown";
  }
  let use: "open" | "no" = "no";
  for (const fd of names) {
    const open = statFile(`/proc/${pid}/fd/${fd}`, { follow: true });
    if (!open || open.identity !== identity) continue;
    if (/^lock:.*FLOCK/m.test(readProc(`${pid}/fdinfo/${fd}`) ?? ""))
      return "locked";
    use = "open";
  }
  return use;
}

/** A process that has a file locked, as far as we may look; null when none is seen. */
export function lockedBy(path: string): number | null {
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (Number.isInteger(pid) && useOf(pid, path) === "locked") return pid;
  }
  return null;
}
