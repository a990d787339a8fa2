/** `session-buddy annotate`: adds to the metadata of a session. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { annotate } from "../../access/annotate.ts";
import { validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
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
    const settings = await validSettings(process.env, args.config);
    const example = "session-buddy annotate --session ID ticket=4711";
    await annotate(settings, args.session, { metadata }, note, example);
  },
});
