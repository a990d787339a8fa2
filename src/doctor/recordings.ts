/** Checks the recordings of terminals: their room, and their way to the server. */
import { type Settings, recordingsRoot } from "../config/load.ts";
import { fail } from "../model/failure.ts";
import { recordingsFolder } from "../model/recording/place.ts";
import {
  type KeptRecording,
  isWaiting,
  keptRecordings,
} from "../access/kept-recordings.ts";
import { removedRecordings } from "../access/removed-recordings.ts";
import { readDelivery } from "../spool/circuit-breaker.ts";
import type { Check } from "./check.ts";

/** What went longer ago is nobody's trouble any more. */
const LATELY_MS = 30 * 86_400_000;

export function recordingChecks(settings: Settings): Check[] {
  const data = recordingsRoot(settings);
  const remote = settings.config.server.endpoint !== null;
  const delivered = remote && settings.config.delivery.recordings !== "off";
  return [
    { name: "recordings", look: () => room(settings, data, delivered) },
    ...(delivered
      ? [{ name: "recordings_delivered", look: () => delivery(data) }]
      : []),
  ];
}

function room({ config }: Settings, data: string, delivered: boolean): string {
  const { max_bytes } = config.recordings;
  const kept = keptRecordings(data);
  const bytes = bytesOf(kept);
  const since = Date.now() - LATELY_MS;
  const lately = removedRecordings(data).filter(
    ({ at }) => Date.parse(at) > since,
  );
  const unseen = lately.filter((one) => !one.delivered);
  if (delivered && unseen.length > 0)
    throw fail.storage(
      `${unseen.length} recordings went, to make room or by their age, before the server had them, last on ${unseen.at(-1)!.at}`,
      "raise recordings.max_bytes or recordings.keep, or mend what keeps them from the server",
    );
  const went = lately.filter(({ why }) => why === "room");
  if (bytes > max_bytes)
    throw fail.storage(
      `${kept.length} recordings have ${bytes} bytes, more than recordings.max_bytes (${max_bytes})`,
      "the oldest go when the next one begins; raise it to keep them",
    );
  const gone =
    went.length === 0
      ? ""
      : `; ${went.length} went to make room in the last 30 days`;
  return `${kept.length} (${bytes} bytes, at most ${max_bytes})${gone}`;
}

/** Of a host whose recordings go to a server elsewhere. */
function delivery(data: string): string {
  const kept = keptRecordings(data);
  const waiting = kept.filter(isWaiting);
  const refused = kept.filter(({ mark }) => mark?.state === "refused");
  const state = readDelivery(recordingsFolder(data));
  const { failing_since, last_error, mend } = state;
  if (waiting.length > 0 && failing_since !== null)
    throw fail.unreachable(
      `undelivered recordings: ${waiting.length} (${bytesOf(waiting)} bytes), since ${failing_since}: ${last_error}`,
      mend ?? "try: session-buddy drain",
    );
  const [first] = refused;
  if (first)
    throw fail.refused(
      `recordings that the server does not take: ${refused.length}, the first of ${first.session_id}: ${first.mark!.why}`,
      "to bring them once more: session-buddy drain --retry",
    );
  const unknown = kept.filter(({ mark }) => mark?.state === "unknown").length;
  const stay =
    unknown === 0
      ? ""
      : `; ${unknown} stay here, of sessions that it does not know`;
  if (waiting.length > 0)
    return `${waiting.length} (${bytesOf(waiting)} bytes) are on their way${stay}`;
  return `the server has all that are closed${stay}`;
}

const bytesOf = (kept: readonly KeptRecording[]): number =>
  kept.reduce((sum, { bytes }) => sum + bytes, 0);
