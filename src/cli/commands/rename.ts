/** `session-buddy rename`: gives a session another name. */
import { defineCommand, CONFIG_FLAG, SESSION_WORD } from "../args.ts";
import { annotate } from "../../access/annotate.ts";
import { validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { note } from "../terminal.ts";

const EXAMPLE = "session-buddy rename 1a2b3c4d 'night shift'";

export default defineCommand({
  description: `Gives the session that we are in, or another, another name.

It is found by that name from then on. Secrets are taken out before anything is
written.

EXAMPLES
  session-buddy rename 'night shift'
  ${EXAMPLE}`,
  args: {
    id: SESSION_WORD,
    name: { type: "positional", description: "The new name" },
    config: CONFIG_FLAG,
  },
  async run({ id, name, config }) {
    // Of one word it is the name.
    const [reference, given] = name === undefined ? [name, id] : [id, name];
    if (!given) throw fail.usage("rename needs a name", `try: ${EXAMPLE}`);
    const settings = await validSettings(process.env, config);
    await annotate(settings, reference, { name: given }, note, EXAMPLE);
  },
});
