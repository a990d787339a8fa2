/** Whether what a wrapped program shows is to be recorded, by flags and `session.record`. */
import type { Config } from "../config/load.ts";
import { fail } from "../model/failure.ts";
import { say } from "../os/file.ts";
import { passwdEntry } from "../os/paths.ts";
import { isTerminal } from "../os/proc.ts";
import type { ScreenWanted } from "../record/request.ts";

interface Flags {
  record: boolean;
  "no-record": boolean;
  quiet: boolean;
}

/**
 * @param command the words that are wrapped
 * @returns null: nothing of it
 */
export async function wantedScreen(
  flags: Flags,
  record: Config["session"]["record"],
  component: string,
  command: readonly string[],
): Promise<Omit<ScreenWanted, "open"> | null> {
  if (flags.record && flags["no-record"])
    throw fail.usage("--record and --no-record are opposites", "give one");
  if (flags["no-record"]) return null;
  const by = flags.record ? "" : await askedBy(record, component, command);
  const tells = flags.record && !flags.quiet && isTerminal(2);
  return by === null ? null : { by, say: tells ? say : null };
}

async function askedBy(
  record: Config["session"]["record"],
  component: string,
  command: readonly string[],
): Promise<string | null> {
  if (typeof record === "boolean") return record ? "" : null;
  const { recordedBy } = await import("../model/recording/when.ts");
  const user = passwdEntry()?.username ?? `uid-${process.geteuid!()}`;
  return recordedBy(record.when, { component, user, command });
}
