/** `session-buddy emit start`: begins a session that no wrapper is around. */
import { defineCommand, CONFIG_FLAG } from "../args.ts";
import { redactionOf, validSettings } from "../../config/load.ts";
import { MAX_TEXT_BYTES, jsonBytes } from "../../model/event.ts";
import { fail } from "../../model/failure.ts";
import { isComponentName } from "../../model/id.ts";
import { EVERY_RULE } from "../../model/redaction/custom.ts";
import { emitStart } from "../../record/emit.ts";
import { parsePairs } from "../pairs.ts";
import { print } from "../terminal.ts";

export default defineCommand({
  description: `Begins a session that no wrapper is around, and prints its id.

It is active until emit end, or as long as the process of --pid lives. Without
that one that is silent for session.unleased_timeout is lost. It is on disk when
the id is printed; secrets are taken out before.

EXAMPLES
  id=$(session-buddy emit start --component backup --pid $$)
  session-buddy emit start --component ci --name "$CI_JOB_NAME" --tag main`,
  args: {
    component: {
      type: "string",
      default: "emit",
      valueHint: "name",
      description: "What the session belongs to (default: emit)",
    },
    type: {
      type: "string",
      default: "job",
      description: "Session type (default: job)",
    },
    "shell-type": {
      type: "string",
      default: "",
      valueHint: "name",
      description: "What kind of shell it is, if any",
    },
    pid: {
      type: "string",
      description: "It lives as long as this process: $$ in a script",
    },
    meta: {
      type: "string",
      multiple: true,
      valueHint: "key=value",
      description:
        "Metadata; a VALUE that is JSON is taken as JSON (repeatable)",
    },
    name: {
      type: "string",
      valueHint: "text",
      description: "A name to find the session by",
    },
    reason: { type: "string", valueHint: "text", description: "Why it is run" },
    tag: { type: "string", multiple: true, description: "A tag (repeatable)" },
    config: CONFIG_FLAG,
  },
  async run(args) {
    const { component, pid } = args;
    if (!isComponentName(component))
      throw fail.usage(
        `'${component}' is not a component name`,
        "letters, digits, _ and -, not first a -, at most 100",
      );
    if (pid !== undefined && !/^[1-9]\d{0,6}$/.test(pid))
      throw fail.usage(`--pid takes a pid, not '${pid}'`, "try: --pid $$");
    const given = {
      ...{ component, session_type: args.type, shell_type: args["shell-type"] },
      ...{ name: args.name ?? null, reason: args.reason ?? null },
      ...{ tags: args.tag, metadata: parsePairs(args.meta, "--meta ") },
    };
    const bytes = jsonBytes(given);
    if (bytes > MAX_TEXT_BYTES)
      throw fail.usage(
        `that is ${bytes} bytes, at most ${MAX_TEXT_BYTES} are recorded at once`,
        "give less, or the path of a file that holds it",
      );
    const settings = await validSettings(process.env, args.config);
    const redaction = redactionOf(settings) ?? EVERY_RULE;
    const lives_with = pid === undefined ? null : Number(pid);
    print(`${emitStart({ ...settings, redaction }, given, lives_with)}\n`);
  },
});
