/**
 * What the events of a session say of its recording: how many bytes it has, and which.
 * Only such a file is taken from another host.
 */
import {
  type Event,
  type JsonObject,
  type Redaction,
  compareEvents,
  isKind,
} from "../event.ts";
import { isAside, mayReport } from "../reporter.ts";
import type { StoredEvent } from "../store.ts";

export interface RecordingPromise {
  bytes: number;
  /** In hex. */
  sha256: string;
  /** When it was said: the end of the session; UTC, ISO 8601. */
  at: string;
}

/** The kinds of the events that `promiseOf` looks at. */
export const PROMISING: string[] = ["session_end", "annotation", "redaction"];

/** @returns what the recorder measured of it; null of none */
export function promiseIn(event: Event): RecordingPromise | null {
  if (!isKind(event, "session_end") && !isKind(event, "annotation"))
    return null;
  const { bytes, sha256 } = Object(event.measured?.["recording"]) as JsonObject;
  if (!Number.isSafeInteger(bytes) || (bytes as number) <= 0) return null;
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) return null;
  return { bytes: bytes as number, sha256, at: event.timestamp };
}

/**
 * @param events those of a session
 * @param owner its reporter: what others say does not count
 * @returns `removed` once somebody removed it; null while nothing is said
 */
export function promiseOf(
  events: readonly Pick<StoredEvent, "event" | "provenance">[],
  owner: string,
): RecordingPromise | "removed" | null {
  let last: Event | null = null;
  for (const { event, provenance } of events) {
    if (isKind(event, "redaction")) {
      if (removesRecording(event)) return "removed";
      continue;
    }
    const theirs =
      provenance === null ||
      (mayReport(owner, provenance) && !isAside(event, provenance, owner));
    if (!theirs || promiseIn(event) === null) continue;
    if (last === null || compareEvents(last, event) < 0) last = event;
  }
  return last && promiseIn(last);
}

/** Whether the recording of the session went with what was removed. */
export const removesRecording = ({
  of,
  up_to,
  recording,
}: Pick<Redaction, "of" | "up_to" | "recording">): boolean =>
  recording === true || (of === undefined && up_to !== undefined);
