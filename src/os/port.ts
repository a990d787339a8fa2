/**
 * Who listens on a TCP port of this host, for a server that finds it taken.
 */
import { tryReadText } from "./file.ts";
import { namesIn, readLink } from "./file.ts";

export interface PortHolder {
  pid: number;
  command: string;
}

const LISTEN = "0A";

/** @returns null when nobody does, or it is not ours to see */
export function portHolder(port: number): PortHolder | null {
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
    return namesIn(path);
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
