/**
 * The executable's defaults suit a wrapper, which may get no thread; a server has
 * its engine compile and collect beside its work. The engine and the pool of
 * threads read their options once, before any of our code.
 */
import { availableParallelism } from "node:os";
import { reasonOf } from "../model/failure.ts";
import { say } from "../os/file.ts";
import { COMPILED } from "../version.ts";

/**
 * The runtime's threads for files and for DuckDB: with as few as there are cores
 * two long queries keep each commit and each line of the log waiting.
 */
const POOL_THREADS = 8;
/** Threads that mark what is reachable, as many as the engine takes by itself. */
const MOST_MARKERS = 8;

/**
 * Starts the program anew with the options of a server, unless it has them. What a
 * server consists of is to be loaded after it, once.
 */
export function startAnewAsServer(): void {
  const cores = availableParallelism();
  const options = {
    _UN_JSC_useConcurrentJIT: "1",
    _UN_JSC_useConcurrentGC: "1",
    _UN_JSC_numberOfGCMarkers: String(Math.min(cores, MOST_MARKERS)),
    UV_THREADPOOL_SIZE: String(Math.max(POOL_THREADS, cores)),
  };
  const { env, argv0, argv, execPath } = process;
  if (!COMPILED || Object.keys(options).every((name) => name in env)) return;
  try {
    process.execve!(execPath, [argv0, ...argv.slice(2)], {
      ...options,
      ...(env as Record<string, string>),
    });
  } catch (error) {
    say(
      `session-buddy: the server runs on the options of a wrapper, for it cannot start anew: ${reasonOf(error)}\n`,
    );
  }
}
