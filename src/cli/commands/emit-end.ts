/** `session-buddy emit end`: ends a session that emit start began. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { redactionOf, validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { parseExitStatus } from "../../model/time.ts";
import { EVERY_RULE } from "../../model/redaction/custom.ts";
import { emit } from "../../record/emit.ts";
import { parsePairs } from "../pairs.ts";

export default defineCommand({
  description: `Ends a session that emit start began.

Of several ends the first holds.

EXAMPLE
  session-buddy emit end "$id" --exit-code $?`,
  args: {
    id: { type: "positional", description: "What emit start printed" },
    "exit-code": {
      type: "string",
      valueHint: "number",
      description: "Its exit status",
    },
    meta: {
      type: "string",
      multiple: true,
      valueHint: "key=value",
      description:
        "Metadata; a VALUE that is JSON is taken as JSON (repeatable)",
    },
    config: CONFIG_FLAG,
  },
  async run({ id, "exit-code": exit, meta, config }) {
    if (id === undefined)
      throw fail.usage("emit end needs an id", 'try: emit end "$id"');
    const metadata = parsePairs(meta, "--meta ");
    const exit_code =
      exit === undefined ? null : parseExitStatus(exit, "--exit-code");
    const settings = await validSettings(process.env, config);
    const redaction = redactionOf(settings) ?? EVERY_RULE;
    emit({ ...settings, redaction }, id, [
      {
        event_type: "session_end",
        ...{ timestamp: new Date().toISOString(), end_source: "observed" },
        ...{ exit_code, signal: null, metadata },
      },
    ]);
  },
});
