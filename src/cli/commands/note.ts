/** `session-buddy note`: notes something on a session. */
import { defineCommand, CONFIG_FLAG, SESSION_WORD } from "../args.ts";
import { annotate } from "../../access/annotate.ts";
import { validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { note as say } from "../terminal.ts";

const EXAMPLE = "session-buddy note 1a2b3c4d 'rolled back at 14:05'";

export default defineCommand({
  description: `Notes something on the session that we are in, or on another.

show-session prints the notes, oldest first. Secrets are taken out before
anything is written.

EXAMPLES
  session-buddy note 'the disk was full'
  ${EXAMPLE}`,
  args: {
    id: SESSION_WORD,
    text: {
      type: "positional",
      phrase: true,
      description: "What to note, as one word",
    },
    config: CONFIG_FLAG,
  },
  async run({ id, text, config }) {
    // Of one word it is the text.
    const [reference, note] = text === undefined ? [text, id] : [id, text];
    if (!note) throw fail.usage("note needs a text", `try: ${EXAMPLE}`);
    const settings = await validSettings(process.env, config);
    await annotate(settings, reference, { note }, say, EXAMPLE);
  },
});
