/** `session-buddy who`: who is in, as who(1) has it. */
import { defineCommand } from "../args.ts";
import { withReadable } from "../../access/open.ts";
import { sessionSource } from "../../access/source.ts";
import { validSettings } from "../../config/load.ts";
import type { Session } from "../../model/columns.ts";
import { sessionsAt } from "../../model/doing.ts";
import type { SessionFilter } from "../../model/filter.ts";
import type { SessionStore } from "../../model/store.ts";
import { localZone } from "../../os/zone.ts";
import { WHO_COLUMNS } from "../../render/logins.ts";
import {
  LISTING_FLAGS,
  type Source,
  listedBy,
  writeListing,
} from "../listing.ts";
import { note } from "../terminal.ts";

const ZONE = localZone(process.env);

export default defineCommand({
  description: `Shows who is in: as who(1), from what was recorded.

Sessions that are active now, newest first, with what was typed in them last.
With --at, --during or --last those that were in then; with --status, or
--incomplete, those. With --at the last command is the last that had begun by then,
else the last of the whole session. For what a TIME is, and for formats: session-buddy
list-sessions --help.

EXAMPLES
  session-buddy who
  session-buddy who --host ops-1
  session-buddy who --at 'yesterday 14:05'
  session-buddy who --json | jq -r '.[].username' | sort -u`,
  args: LISTING_FLAGS,
  async run(args) {
    const filter = listedBy(args, Date.now(), ZONE);
    const { at, during, last, status, incomplete } = args;
    if (!incomplete && [at, during, last, status].every((v) => v === undefined))
      filter.active = true;
    const settings = await validSettings(process.env, args.config);
    const listing = { filter, columns: WHO_COLUMNS, zone: ZONE };
    const source = sessionSource(settings, note);
    const read: Source["read"] = (picked, use) =>
      withReadable(settings, note, (store) =>
        use(asOf(store, store.list(picked), picked)),
      );
    await writeListing(args, listing, { ...source, read });
  },
});

/** With --at as it was then: to look is for those rows that are shown. */
function asOf(
  store: SessionStore,
  sessions: AsyncIterable<Session>,
  { at, username, hostname, component_name }: SessionFilter,
): AsyncIterable<Session> {
  if (at === undefined) return sessions;
  return sessionsAt(store, sessions, Date.parse(at), {
    ...(username !== undefined && { user: username }),
    ...(hostname !== undefined && { host: hostname }),
    ...(component_name !== undefined && { component: component_name }),
  });
}
