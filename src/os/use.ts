/** Finds the process that has a file open or locked, or listens on a port. */
import { readdirSync } from "node:fs";
import { statFile } from "./stat.ts";
import { readProc } from "./proc.ts";
import { readLink, tryReadText } from "./file.ts";

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
  for (const name of folder("/proc")) {
    const pid = Number(name);
    if (Number.isInteger(pid) && useOf(pid, path) === "locked") return pid;
  }
  return null;
}

const LISTEN = "0A";

/**
 * The process that listens on a TCP port of this host.
 * @returns null when none does, or we may not see it
 */
export function portHolder(
  port: number,
): { pid: number; command: string } | null {
  const inodes = new Set<string>();
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const table of ["tcp", "tcp6"])
    for (const line of tryReadText(`/proc/net/${table}`)?.split("\n") ?? []) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(suffix) && fields[3] === LISTEN)
        inodes.add(`socket:[${fields[9]}]`);
    }
  if (inodes.size === 0) return null;
  for (const pid of folder("/proc"))
    if (/^\d+$/.test(pid))
      for (const fd of folder(`/proc/${pid}/fd`))
        if (inodes.has(readLink(`/proc/${pid}/fd/${fd}`) ?? ""))
          return { pid: Number(pid), command: commandOf(pid) };
  return null;
}

function folder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    // Gone meanwhile, or another user's.
    return [];
  }
}

/** The words of its command line; a process may hide them. */
function commandOf(pid: string): string {
  const words = tryReadText(`/proc/${pid}/cmdline`) ?? "";
  const name = tryReadText(`/proc/${pid}/comm`) ?? "";
  return words.replaceAll("\0", " ").trim().slice(0, 200) || name.trim();
}
