/** `session-buddy annotate`: adds to the metadata of a session. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { withStore } from "../../access/open.ts";
import {
  type Settings,
  redactionOf,
  validSettings,
} from "../../config/load.ts";
import {
  type Annotation,
  EVENT_VERSION,
  type JsonObject,
  MAX_TEXT_BYTES,
  jsonBytes,
} from "../../model/event.ts";
import { fail } from "../../model/failure.ts";
import { EVERY_RULE } from "../../model/redaction/custom.ts";
import { redactEvent } from "../../model/redaction/event.ts";
import { findSession, noSession } from "../../model/reference.ts";
import { SESSION_ID_VARIABLE, parentOf } from "../../os/parent.ts";
import { ancestry } from "../../os/proc.ts";
import { appendBeside, spoolFolder } from "../../spool/write.ts";
import { parsePairs } from "../pairs.ts";
import { note } from "../terminal.ts";

export default defineCommand({
  description: `Adds to the metadata of the session that we are in, or of another.

A value that is JSON is taken as JSON. What was given later holds. Secrets are
taken out before anything is written.

EXAMPLES
  session-buddy annotate ticket=4711
  session-buddy annotate 'adapters=["prefect","agno"]' version=2.1
  session-buddy annotate --session 1a2b3c4d reviewed=true`,
  args: {
    "key=value": {
      type: "positional",
      multiple: true,
      description: "What to add; as many as you like",
    },
    session: {
      type: "string",
      valueHint: "id",
      description:
        "Of this one: its id, a unique prefix of it, its last 8 hex, or its name",
    },
    config: CONFIG_FLAG,
  },
  async run(args) {
    const pairs = args["key=value"];
    if (pairs.length === 0)
      throw fail.usage(
        "annotate needs key=value",
        "try: session-buddy annotate ticket=4711",
      );
    const metadata = parsePairs(pairs, "annotate ");
    const bytes = jsonBytes(metadata);
    if (bytes > MAX_TEXT_BYTES)
      throw fail.usage(
        `that is ${bytes} bytes, at most ${MAX_TEXT_BYTES} are recorded at once`,
        "give less, or the path of a file that holds it",
      );
    const settings = await validSettings(process.env, args.config);
    const { session } = args;
    if (session === undefined) return annotateOurs(settings, metadata);
    await withStore(settings, note, async (store) => {
      const found = await findSession(store, session);
      if (!found) throw noSession(session, "try: session-buddy list-sessions");
      await store.append([annotationOf(settings, found.session_id, metadata)]);
    });
  },
});

/** By the spool, as all that is recorded here: no database is waited for. */
function annotateOurs(settings: Settings, metadata: JsonObject): void {
  const folder = spoolFolder(settings.paths.data!);
  const { [SESSION_ID_VARIABLE]: id } = process.env;
  const { parent_session_id } = parentOf(id, ancestry(process.ppid), folder);
  if (!parent_session_id)
    throw fail.usage(
      id
        ? `we are not in the session '${id}' any more, or it is not recorded here`
        : "we are in no recorded session",
      "name one: --session ID",
    );
  const event = annotationOf(settings, parent_session_id, metadata);
  appendBeside(folder, event, process.pid);
}

function annotationOf(
  settings: Settings,
  session_id: string,
  metadata: JsonObject,
): Annotation {
  const event: Annotation = {
    event_version: EVENT_VERSION,
    event_id: Bun.randomUUIDv7(),
    event_type: "annotation",
    session_id,
    timestamp: new Date().toISOString(),
    metadata,
  };
  const redacted = redactEvent(event, redactionOf(settings) ?? EVERY_RULE);
  if (redacted !== event) note("a secret was taken out of it");
  return redacted;
}
