/**
 * Prepares the drain that a heartbeat starts, and what says when not: the loop of
 * os/wait.ts makes nothing but calls.
 */
import { type Pointer, ptr } from "bun:ffi";
import type { Libc } from "./libc.ts";
import { environment, prepareAside } from "./spawn.ts";

/** What brings to a server on another host what is recorded. */
export interface Drain {
  command: readonly string[];
  argv0: string;
  lately_ms: number;
  longest_ms: number;
}

/** How a drain is started, and when not. */
export interface PreparedDrain {
  /** What posix_spawnp(3) takes, good as long as no variable is set. */
  pid_at: Pointer;
  file_at: Pointer;
  actions_at: Pointer;
  attr_at: Pointer;
  argv_at: Pointer;
  env_at: Pointer;
  /** `.` and `/`. */
  here_at: Pointer;
  root_at: Pointer;
  /** What the addresses lead to. */
  held: unknown;
  /** Whose time of change is that of the last drain's begin. */
  lock_at: Pointer;
  /** So lately another has taken our sign of life along. */
  lately_ms: number;
  /** What says until when the server is to be left alone. */
  delivery_at: Pointer;
  /** No drain writes a longer time: the clock was set back. */
  longest_ms: number;
  page: Buffer & { latin1Slice(from: number, to: number): string };
  page_at: Pointer;
}

/** @param spool the folder that is drained */
export function prepareDrain(
  c: Libc,
  spool: string,
  { command, argv0, lately_ms, longest_ms }: Drain,
): PreparedDrain {
  const path = (name: string) => new TextEncoder().encode(`${spool}/${name}\0`);
  const [lock, delivery] = [path("drain.lock"), path("delivery.json")];
  const page = Buffer.alloc(4096) as PreparedDrain["page"];
  const prepared = prepareAside(c, command, argv0, null);
  const { pid, file, actions, attr, argv, here, root } = prepared;
  return {
    ...{ pid_at: ptr(pid), file_at: ptr(file), actions_at: ptr(actions) },
    ...{ attr_at: ptr(attr), argv_at: ptr(argv.pointers) },
    ...{ env_at: environment(c), here_at: ptr(here) },
    ...{ root_at: ptr(root), held: [prepared, lock, delivery] },
    ...{ lock_at: ptr(lock), lately_ms, delivery_at: ptr(delivery) },
    ...{ longest_ms, page, page_at: ptr(page) },
  };
}
