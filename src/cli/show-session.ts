/** `session-buddy show-session`: one session in full. */
import { defineCommand } from "citty";
import { loadSettings, requireValid } from "../config.ts";
import { Failure } from "../model/failure.ts";
import { isSessionId } from "../model/id.ts";
import type { Session } from "../model/session.ts";
import type { SessionStore } from "../model/store.ts";
import { withStore } from "../open.ts";
import { Output } from "../os/output.ts";
import { detail } from "../render/detail.ts";
import { sessionDocument } from "../render/json.ts";
import { note } from "../talk.ts";

const MAX_CANDIDATES = 10;

export default defineCommand({
  meta: {
    name: "show-session",
    description: `Shows one session: its facts, then its metadata.

Without an id: the session that we are in, else the newest.

EXAMPLES
  session-buddy show-session
  session-buddy show-session mahavishnu-20260206
  session-buddy show-session 1a2b3c4d --format json | jq .duration_seconds`,
  },
  args: {
    id: {
      type: "positional",
      required: false,
      description: "A session's id, a unique prefix of it, or its last 8 hex",
    },
    format: { type: "string", description: "text or json" },
    json: { type: "boolean", description: "The same as --format json" },
    config: {
      type: "string",
      valueHint: "file",
      description: "Read this configuration too",
    },
  },
  async run({ args }) {
    const format = args.format ?? (args.json ? "json" : "text");
    if (format !== "text" && format !== "json")
      throw new Failure(
        "usage",
        `--format takes text or json, not '${format}'`,
        "try: --format json",
      );
    const settings = loadSettings(process.env, args.config);
    await requireValid(settings);
    const current = process.env["SESSION_BUDDY_SESSION_ID"];
    const session = await withStore(settings, note, (store) =>
      args.id !== undefined
        ? find(store, args.id)
        : currentOrNewest(store, current),
    );
    // The store is free again: whoever reads may take his time.
    const output = new Output();
    output.write(
      format === "json" ? sessionDocument(session) : detail(session),
    );
    output.flush();
  },
});

async function find(store: SessionStore, reference: string): Promise<Session> {
  // An unset variable in a script shall not mean the newest session.
  if (reference === "")
    throw new Failure(
      "usage",
      "the session's id is empty",
      "leave it out for the session that you are in, else the newest",
    );
  const exact = isSessionId(reference) ? await store.get(reference) : null;
  if (exact) return exact;
  const limit = MAX_CANDIDATES + 1;
  const found = await Array.fromAsync(store.list({ reference, limit }));
  if (found.length > 1)
    throw new Failure(
      "ambiguous",
      `'${reference}' may mean ${found.length > MAX_CANDIDATES ? `more than ${MAX_CANDIDATES}` : found.length} sessions`,
      `give more of the id: ${found
        .slice(0, MAX_CANDIDATES)
        .map(({ session_id }) => session_id)
        .join(", ")}`,
    );
  if (found[0]) return found[0];
  throw new Failure(
    "not_found",
    `no session '${reference}'`,
    "try: session-buddy list-sessions",
  );
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
  throw new Failure(
    "not_found",
    "no session has been recorded yet",
    "try: session-buddy shell",
  );
}
