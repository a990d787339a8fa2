/** A recorder that takes the secrets out of what is sent, before the disk. */
import type { Choice } from "../../model/redaction/custom.ts";
import { redactEvent } from "../../model/redaction/event.ts";
import type { Recorder } from "./recorder.ts";

export const redactingRecorder = (
  recorder: Recorder,
  choice: Choice,
): Recorder => ({
  append: (events, from) =>
    recorder.append(
      events.map((event) => redactEvent(event, choice)),
      from,
    ),
  summary: (session_id) => recorder.summary(session_id),
  sessionOf: (event, from) => recorder.sessionOf(event, from),
  begin: (start, ...given) =>
    recorder.begin(redactEvent(start, choice), ...given),
  going: (conversation) => recorder.going(conversation),
  seen: (signs, from, theirs) => recorder.seen(signs, from, theirs),
});
