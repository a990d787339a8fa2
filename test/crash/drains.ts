/** Drains that wrappers have started go their own ways. */
import { readFileSync, readdirSync } from "node:fs";
import { until } from "../support/wait.ts";

/** A drain waits for an answer of a server, and tries again, each for 30 s. */
const DRAIN_MS = 90_000;

/** @param home of the host whose drains are waited for */
export const drainsOver = (home: string): Promise<true> =>
  until("the wrappers' drains to end", () => !anyDrain(home), DRAIN_MS);

function anyDrain(home: string): boolean {
  return readdirSync("/proc").some((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const read = (name: string) =>
        readFileSync(`/proc/${pid}/${name}`, "latin1");
      return (
        /\0drain\0(--auto\0)?$/.test(read("cmdline")) &&
        read("environ").includes(`HOME=${home}\0`)
      );
    } catch {
      return false;
    }
  });
}
