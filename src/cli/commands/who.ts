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
import { noneFound, timeAsked } from "../../render/asked.ts";
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
--incomplete, those. With --at the last command is the last that had begun by
then, else the last of the whole session. For what a TIME is, and for formats:
session-buddy list-sessions --help.

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
    const none = nobody(filter, Date.now());
    const listing = { filter, columns: WHO_COLUMNS, zone: ZONE, none };
    const source = sessionSource(settings, note);
    const read: Source["read"] = (picked, use) =>
      withReadable(settings, note, (store) =>
        use(asOf(store, store.list(picked), picked)),
      );
    await writeListing(args, listing, { ...source, read });
  },
});

/** What a person is told where nobody is. */
function nobody(filter: SessionFilter, now: number): string {
  const { at, in_since, before, active, limit, reverse: _, ...others } = filter;
  const then = [at, in_since, before].some((time) => time !== undefined);
  if (!active && !then) return "no sessions match";
  const alone = Object.keys(others).length === 0 && limit !== 0;
  if (active && at === undefined && in_since === undefined)
    return alone && !then
      ? "nobody is in now"
      : noneFound("nobody that matches is in now", filter, now, ZONE);
  const who = alone && !active ? "nobody" : "nobody that matches";
  return `${who} was in ${timeAsked(filter, now, ZONE)}`;
}

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
