/** `session-buddy last`: who was in, from when to when, as last(1) has it. */
import { defineCommand } from "../args.ts";
import { sessionSource } from "../../access/source.ts";
import { validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { parseCount } from "../../model/time.ts";
import { localZone } from "../../os/zone.ts";
import { LAST_COLUMNS } from "../../render/logins.ts";
import {
  DEFAULT_LIMIT,
  LISTING_FLAGS,
  listedBy,
  writeListing,
} from "../listing.ts";
import { note } from "../terminal.ts";

const ZONE = localZone(process.env);

export default defineCommand({
  description: `Shows who was in, newest first: as last(1), from what was recorded.

Where last(1) has what login wrote, this has every recorded session: how it
ended ('still in'; lost where nobody saw the end: killed, or its host went
down), how long it took and with which exit status. At a terminal the newest ${DEFAULT_LIMIT}
unless a count is given; a pipe gets all, tab-separated, without a header. For
what a TIME is, and for formats: session-buddy list-sessions --help.

EXAMPLES
  session-buddy last 10
  session-buddy last --user les --after 2026-02-01
  session-buddy last --at 'yesterday 14:05'
  session-buddy last --failed --host ops-1`,
  args: {
    count: {
      type: "positional",
      description: "So many at most, as --limit",
    },
    ...LISTING_FLAGS,
  },
  async run(args) {
    if (args.count !== undefined && args.limit !== undefined)
      throw fail.usage("last has a count and --limit", "leave one out");
    const filter = listedBy(args, Date.now(), ZONE);
    if (args.count !== undefined) filter.limit = parseCount(args.count, "last");
    const settings = await validSettings(process.env, args.config);
    const listing = { filter, columns: LAST_COLUMNS, zone: ZONE };
    await writeListing(args, listing, sessionSource(settings, note));
  },
});
