/** `session-buddy list-sessions`: lists sessions. */
import { defineCommand } from "../args.ts";
import { sessionSource } from "../../access/source.ts";
import { validSettings } from "../../config/load.ts";
import { localZone } from "../../os/zone.ts";
import { SESSION_COLUMNS } from "../../render/detail.ts";
import { NAME_CELLS, dropOrder } from "../../render/table.ts";
import {
  DEFAULT_LIMIT,
  LISTING_FLAGS,
  listedBy,
  writeListing,
} from "../listing.ts";
import { note } from "../terminal.ts";

const ZONE = localZone(process.env);

const DROPPED = dropOrder(SESSION_COLUMNS).map(({ header }) => header);

export default defineCommand({
  description: `Lists sessions, newest start first.

A TIME is 2026-02-06, 2026-02-06T12:34:56Z, today, 'yesterday 14:05',
'2:05pm yesterday', monday, 'sat 14:05' and '28 Nov 14:05' (the latest that is
past), 'last monday' (before today), 'last week' (its Monday), '2 hours ago',
-2d or @1770381296, or as date -Ins and date -R print it; without a zone it is
local (TZ, in every form that the C library takes). As the end of A..B, monday
and '28 Nov' are the first from A on.

At a terminal the newest ${DEFAULT_LIMIT} are shown unless --limit is given; a pipe gets all,
tab-separated, without a header. Where a terminal is too narrow, ids are
shortened to their last 8 hex, which show-session takes, then names to ${NAME_CELLS}
cells, and then columns are left out, in this order:
${DROPPED.join(", ")}.

--failed is of the session's own end: a shell that is left after a command that
failed ends so, too, and one in which a hundred failed may end well. Those in
which a command failed: --failed-commands; the commands: list-commands --failed.

In CSV a text that begins with = + - @, a tab or a return gets a ' before it, so
that a spreadsheet does not compute it.

EXAMPLES
  session-buddy list-sessions --type admin_shell --limit 1
  session-buddy list-sessions --component mahavishnu --status active
  session-buddy list-sessions --after yesterday --json | jq -r '.[].session_id'
  session-buddy ls --after 2026-02-01 --before 2026-02-08 --output week.csv`,
  args: LISTING_FLAGS,
  async run(args) {
    const filter = listedBy(args, Date.now(), ZONE);
    const settings = await validSettings(process.env, args.config);
    const listing = { filter, columns: SESSION_COLUMNS, zone: ZONE };
    await writeListing(args, listing, sessionSource(settings, note));
  },
});
