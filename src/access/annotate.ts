/**
 * Adds an annotation to a session: what is said of it while it runs, or afterwards.
 * Secrets are taken out before anything is written.
 */
import { type Settings, redactionOf } from "../config/load.ts";
import {
  type Annotation,
  EVENT_VERSION,
  MAX_TEXT_BYTES,
  jsonBytes,
} from "../model/event.ts";
import { type Warn, fail } from "../model/failure.ts";
import { EVERY_RULE } from "../model/redaction/custom.ts";
import { redactEvent } from "../model/redaction/event.ts";
import { findSession, noSession } from "../model/reference.ts";
import { SESSION_ID_VARIABLE, parentOf } from "../os/parent.ts";
import { ancestry } from "../os/proc.ts";
import { appendBeside, spoolFolder } from "../spool/write.ts";
import { withStore } from "./open.ts";

/** What is said of a session. */
export type Saying = Pick<
  Annotation,
  "metadata" | "name" | "add_tags" | "remove_tags" | "note"
>;

/**
 * @param reference of the session; undefined for the one that we are in
 * @param example how a session is named, for who is in none
 * @throws Failure (usage, not_found, ambiguous), or when it cannot be kept
 */
export async function annotate(
  settings: Settings,
  reference: string | undefined,
  saying: Saying,
  warn: Warn,
  example: string,
): Promise<void> {
  const bytes = jsonBytes(saying);
  if (bytes > MAX_TEXT_BYTES)
    throw fail.usage(
      `that is ${bytes} bytes, at most ${MAX_TEXT_BYTES} are recorded at once`,
      "give less, or the path of a file that holds it",
    );
  const annotationOf = (session_id: string): Annotation => {
    const event: Annotation = {
      event_version: EVENT_VERSION,
      event_id: Bun.randomUUIDv7(),
      event_type: "annotation",
      session_id,
      timestamp: new Date().toISOString(),
      ...saying,
    };
    const redacted = redactEvent(event, redactionOf(settings) ?? EVERY_RULE);
    if (redacted !== event) warn("a secret was taken out of it");
    return redacted;
  };
  if (reference === undefined) {
    // By the spool, as all that is recorded here: no database is waited for.
    const folder = spoolFolder(settings.paths.data!);
    const event = annotationOf(sessionAround(folder, example));
    return appendBeside(folder, event, process.pid);
  }
  // An unset variable in a script shall not mean the session around it.
  if (reference === "")
    throw fail.usage("the session's id is empty", `try: ${example}`);
  await withStore(settings, warn, async (store) => {
    const found = await findSession(store, reference);
    if (!found) throw noSession(reference, "try: session-buddy list-sessions");
    await store.append([annotationOf(found.session_id)]);
  });
}

/** @throws Failure (usage) when we are in none */
function sessionAround(folder: string, example: string): string {
  const { [SESSION_ID_VARIABLE]: id } = process.env;
  const { parent_session_id } = parentOf(id, ancestry(process.ppid), folder);
  if (parent_session_id) return parent_session_id;
  throw fail.usage(
    id
      ? `we are not in the session '${id}' any more, or it is not recorded here`
      : "we are in no recorded session",
    `name one: ${example}`,
  );
}
