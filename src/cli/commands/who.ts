/** `session-buddy who`: who is in, as who(1) has it. */
import { defineCommand } from "../args.ts";
import { sessionSource } from "../../access/source.ts";
import { validSettings } from "../../config/load.ts";
import { localZone } from "../../os/zone.ts";
import { WHO_COLUMNS } from "../../render/logins.ts";
import { LISTING_FLAGS, listedBy, writeListing } from "../listing.ts";
import { note } from "../terminal.ts";

const ZONE = localZone(process.env);

export default defineCommand({
  description: `Shows who is in: as who(1), from what was recorded.

Sessions that are active now, newest first, with what was typed in them last.
With --at, --during or --last those that were in then; with --status, or
--incomplete, those. For what a TIME is, and for formats: session-buddy
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
    await writeListing(args, listing, sessionSource(settings, note));
  },
});
