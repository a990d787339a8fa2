/** What is said of a recording: its commands as markers, and what could not be read. */
import type { Command } from "../model/command.ts";
import type { JsonObject } from "../model/event.ts";
import type { Marker } from "../model/recording/cast.ts";
import type { RecordingHeader } from "../model/recording/format.ts";
import type { Damage } from "../model/recording/read.ts";
import type { Session } from "../model/session.ts";
import { commandText } from "./commands.ts";
import { escapeText } from "./escape.ts";
import { bytes, duration } from "./format.ts";
import { cut } from "./table.ts";

/** A marker names a command, and is not the whole of a long one. */
const MOST_LABEL = 500;

/** @param commands oldest first */
export const markersOf = (
  commands: readonly Command[],
  { started_at }: RecordingHeader,
): Marker[] =>
  commands.map((command) => ({
    at_us: (Date.parse(command.start_time) - Date.parse(started_at)) * 1_000,
    label: cut(commandText(command, true), MOST_LABEL),
  }));

/** How a session ended, in words; null while it runs. */
export function endText({
  status,
  exit_code,
  signal,
}: Pick<Session, "status" | "exit_code" | "signal">): string | null {
  if (status === "active") return null;
  if (status === "lost") return "the session is lost: nobody saw how it ended";
  if (signal !== null) return `the session has ended, by ${signal}`;
  return exit_code === null
    ? "the session has ended"
    : `the session has ended, with exit status ${exit_code}`;
}

/** @returns null when all was */
export function damageText({
  torn_bytes,
  damaged_bytes,
}: Damage): string | null {
  if (damaged_bytes > 0)
    return `the recording is damaged: ${bytes(damaged_bytes + torn_bytes)} of it could not be read and are left out`;
  if (torn_bytes > 0)
    return `the recording is cut off, or goes on: its last ${bytes(torn_bytes)} are not whole`;
  return null;
}

/**
 * What a session keeps of its recording: `12.3 KiB, 4m 05s`, and what is not in it.
 * @param facts as its end event tells them, of whatever version
 */
export function recordingText(facts: JsonObject): string {
  const { bytes: size, duration_ms, omitted_bytes, trouble } = facts;
  const isLeftOut = typeof omitted_bytes === "number" && omitted_bytes > 0;
  return [
    ...(typeof size === "number" ? [bytes(size)] : []),
    ...(typeof duration_ms === "number" ? [duration(duration_ms / 1_000)] : []),
    ...(isLeftOut ? [`without ${bytes(omitted_bytes)} that were shown`] : []),
    ...(typeof trouble === "string" ? [escapeText(trouble)] : []),
  ].join(", ");
}
