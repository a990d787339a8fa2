/** annotate_session: what a person or an agent has to say of a session. */
import { z } from "zod";
import { type Annotation, EVENT_VERSION } from "../../model/event.ts";
import { fail } from "../../model/failure.ts";
import { isAside } from "../../model/reporter.ts";
import { metadata, text, tracked } from "./fields.ts";
import { appendOne } from "./recorder.ts";
import { Rules, givenMetadata } from "./rules.ts";
import { sessionNamed } from "./session-filter.ts";
import { tool } from "./tool.ts";

const tags = z.array(text.min(1)).optional();

const input = z.strictObject({
  session_id: text.describe(
    "A session's id, a unique beginning of one, its last 8 hex, or its name",
  ),
  note: text
    .min(1)
    .optional()
    .describe("What was found out, or is to be known"),
  add_tags: tags.describe("Tags that it gets"),
  remove_tags: tags.describe("Tags that it loses"),
  name: text.min(1).optional().describe("Its new name"),
  metadata: metadata.describe("Merged over the session's own"),
});

export const annotateSession = tool({
  name: "annotate_session",
  title: "Say something of a session",
  description:
    'Notes something on a session, changes its tags, its name or its metadata, while it runs or afterwards. Use it to leave what you found out where the next one looks. Of a session that belongs to another reporter it is kept beside it (status: remark). Example: {"session_id":"1a2b3c4d","note":"rolled back, see ticket 4711","add_tags":["incident"]}',
  access: "record",
  again: "more",
  input,
  output: z.object(tracked("kept", "remark", "error")),
  run:
    ({ store, recorder }) =>
    async (args, { from, received_ms }) => {
      const { session_id, reporter } = await sessionNamed(
        store,
        args.session_id,
      );
      const event = annotationOf(session_id, args, received_ms);
      const rules = new Rules();
      rules.bounds(event);
      rules.check();
      await appendOne(recorder, event, from);
      const status = isAside(event, from, reporter) ? "remark" : "kept";
      return { session_id, status, error: null };
    },
  failed: {
    sentence: "Annotation failed",
    sent: ({ session_id }) => ({ session_id }),
  },
});

/** @throws Failure (refused) when it says nothing */
function annotationOf(
  session_id: string,
  { note, add_tags, remove_tags, name, metadata }: z.output<typeof input>,
  received_ms: number,
): Annotation {
  const given = givenMetadata(metadata);
  const saying = {
    ...(note !== undefined && { note }),
    ...(add_tags?.length && { add_tags }),
    ...(remove_tags?.length && { remove_tags }),
    ...(name !== undefined && { name }),
    ...(Object.keys(given).length > 0 && { metadata: given }),
  };
  if (Object.keys(saying).length === 0)
    throw fail.refused(
      "nothing is said of it",
      "give note, add_tags, remove_tags, name or metadata",
    );
  return {
    event_version: EVENT_VERSION,
    event_id: Bun.randomUUIDv7(),
    event_type: "annotation",
    session_id,
    timestamp: new Date(received_ms).toISOString(),
    ...saying,
  };
}
