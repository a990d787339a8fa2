/** `session-buddy show-session`: shows one session in full. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { type Settings, validSettings } from "../../config/load.ts";
import { type Failure, fail } from "../../model/failure.ts";
import { isSessionId } from "../../model/id.ts";
import { ambiguous, findSession, noSession } from "../../model/reference.ts";
import { remarksOn } from "../../model/remarks.ts";
import type { Session } from "../../model/session.ts";
import type { SessionStore } from "../../model/store.ts";
import { withMaintenance, withReadable } from "../../access/open.ts";
import { localZone } from "../../os/zone.ts";
import { detail } from "../../render/detail.ts";
import { sessionDocument } from "../../render/json.ts";
import { note, print } from "../terminal.ts";

export default defineCommand({
  description: `Shows one session: its facts, then its metadata.

Without an id: the session that we are in, else the newest.

EXAMPLES
  session-buddy show-session
  session-buddy show-session mahavishnu-20260206
  session-buddy show-session 1a2b3c4d --format json | jq .duration_seconds`,
  args: {
    id: {
      type: "positional",
      description:
        "A session's id, a unique prefix of it, its last 8 hex, or its name",
    },
    format: { type: "string", description: "text or json" },
    json: { type: "boolean", description: "The same as --format json" },
    config: CONFIG_FLAG,
  },
  async run(args) {
    const format = args.format ?? (args.json ? "json" : "text");
    if (format !== "text" && format !== "json")
      throw fail.usage(
        `--format takes text or json, not '${format}'`,
        "try: --format json",
      );
    const settings = await validSettings(process.env, args.config);
    const current = process.env["SESSION_BUDDY_SESSION_ID"];
    const { id } = args;
    // An unset variable in a script shall not mean the newest session.
    if (id === "")
      throw fail.usage(
        "the session's id is empty",
        "leave it out for the session that you are in, else the newest",
      );
    const found = await withReadable(settings, note, async (store) => {
      const session =
        id !== undefined
          ? await findSession(store, id)
          : await currentOrNewest(store, current);
      return session && { session, remarks: await remarksOn(store, session) };
    });
    if (found === null) throw await missing(settings, id!);
    const { session, remarks } = found;
    // The store is released before the output, which a reader may take slowly.
    print(
      format === "json"
        ? sessionDocument(session, remarks)
        : detail(session, localZone(process.env), remarks),
    );
  },
});

/** Why there is no such session: it went to an archive, or never was here. */
async function missing(
  settings: Settings,
  reference: string,
): Promise<Failure> {
  const archived =
    settings.config.server.endpoint === null
      ? await withMaintenance(settings, note, (k) => k.archived(reference))
      : [];
  if (archived.length > 1) return ambiguous(reference, archived);
  if (archived[0]) {
    const { session_id, folder } = archived[0];
    return fail.not_found(
      `session '${session_id}' is archived in '${folder}'`,
      "any reader of Parquet shows it: sessions.parquet, events.parquet",
    );
  }
  return noSession(reference, "try: session-buddy list-sessions");
}

async function currentOrNewest(
  store: SessionStore,
  current: string | undefined,
): Promise<Session> {
  if (current && isSessionId(current)) {
    const session = await store.get(current);
    if (session) return session;
  }
  for await (const session of store.list({ limit: 1 })) return session;
  throw fail.not_found(
    "no session has been recorded yet",
    "try: session-buddy shell",
  );
}
