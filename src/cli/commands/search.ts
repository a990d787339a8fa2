/** `session-buddy search`: finds a text in whatever was recorded. */
import { defineCommand } from "../args.ts";
import { withReadable } from "../../access/open.ts";
import { requireNotOwn } from "../../access/own-files.ts";
import { validSettings } from "../../config/load.ts";
import { Failure, fail } from "../../model/failure.ts";
import { parseTime } from "../../model/time.ts";
import { noneFound } from "../../render/asked.ts";
import {
  HIT_KEYS,
  type Hit,
  SEARCHED_PLACES,
  type SearchFilter,
  hitJson,
} from "../../model/search.ts";
import { localZone } from "../../os/zone.ts";
import { HIT_COLUMNS, HIT_EXCERPTS, secondsInto } from "../../render/hits.ts";
import { hostNamed } from "../filters.ts";
import {
  DEFAULT_LIMIT,
  FOUND_FLAGS,
  WHERE_FLAGS,
  writeFound,
} from "../found.ts";
import { note } from "../terminal.ts";

const ZONE = localZone(process.env);

export default defineCommand({
  description: `Finds a text in whatever was recorded, newest first.

It is looked for, upper and lower case alike, in commands, in notes, in what
recorded terminals showed (output), and in the names, reasons, tags and
metadata of sessions; FIELD says where it was found. Time and exit status are
those of the command, else of the session. Of output the time is that at which
it was shown, and +12.3s how far into the recording, from where it is replayed:
session-buddy replay ID --from 12.3. Output is that of sessions that have ended.

With --regex the text is a regular expression (RE2), and case counts unless it
begins with (?i). TIMEs are as list-sessions --help says.

At a terminal the newest ${DEFAULT_LIMIT} are shown unless --limit is given, with what
matches marked; a pipe gets all, as they are found, tab-separated, without a
header.

EXAMPLES
  session-buddy search OPS-1742
  session-buddy search 'terraform apply' --user les --after -30d
  session-buddy search --regex '^(sudo )?rm -r' --host web1 -n 10
  session-buddy search 'No space left' --in output
  session-buddy search prefect --json | jq -r '.[].session_id'`,
  args: {
    text: { type: "positional", phrase: true, description: "What to look for" },
    regex: {
      type: "boolean",
      description: "The text is a regular expression (RE2)",
    },
    in: {
      type: "string",
      values: SEARCHED_PLACES,
      valueHint: "place",
      description: `Only in ${SEARCHED_PLACES.join(", ")}`,
    },
    ...WHERE_FLAGS,
    ...FOUND_FLAGS,
  },
  async run(args) {
    const { text, user, host, component, after, before } = args;
    if (!text)
      throw fail.usage(
        "search needs a text",
        "try: session-buddy search 'terraform apply'",
      );
    const place = SEARCHED_PLACES.find((name) => name === args.in);
    if (args.in !== undefined && !place)
      throw fail.usage(
        `--in takes ${SEARCHED_PLACES.join(", ")}, not '${args.in}'`,
        "try: --in output",
      );
    const settings = await validSettings(process.env, args.config);
    const now = Date.now();
    const time = (text: string) => parseTime(text, now, ZONE).toISOString();
    const filter: SearchFilter = {
      text,
      ...(args.regex && { regex: true }),
      ...(place && { in: place }),
      ...(user !== undefined && { user }),
      ...(host !== undefined && { host: hostNamed(host) }),
      ...(component !== undefined && { component }),
      ...(after !== undefined && { after: time(after) }),
      ...(before !== undefined && { before: time(before) }),
    };
    const searchesOutput = !place || place === "output";
    const none = noneFound("nothing matches", filter, now, ZONE);
    await writeFound(
      args,
      { ...LOOK, none, hint: hintOf },
      {
        read: (limit, use) =>
          withReadable(
            settings,
            note,
            (store) =>
              use(
                store.search({
                  ...filter,
                  ...(limit !== undefined && { limit }),
                }),
              ),
            searchesOutput ? "first" : "after",
          ).catch(asUsage),
        requireFree: (path) => requireNotOwn(settings, path),
      },
    );
  },
});

const LOOK = {
  ...{ columns: HIT_COLUMNS, person: HIT_EXCERPTS, keys: HIT_KEYS },
  ...{ json: hitJson, zone: ZONE },
};

/** How the first line of output is looked at. */
function hintOf(hits: readonly Hit[]): string | null {
  const hit = hits.find(({ recording_ms }) => recording_ms !== null);
  if (!hit) return null;
  const { session_id, recording_ms } = hit;
  return `a line of output is replayed by: session-buddy replay ${session_id} --from ${secondsInto(recording_ms!)}`;
}

/** The store alone knows what is a regular expression. */
function asUsage(error: unknown): never {
  if (
    error instanceof Failure &&
    / is no regular expression: /.test(error.message)
  )
    throw fail.usage(error.sentence, error.hint);
  throw error;
}
