/** `session-buddy tag`: adds tags to a session, and removes some. */
import { defineCommand, CONFIG_FLAG, SESSION_WORD } from "../args.ts";
import { annotate } from "../../access/annotate.ts";
import { validSettings } from "../../config/load.ts";
import { fail } from "../../model/failure.ts";
import { note } from "../terminal.ts";

const EXAMPLE = "session-buddy tag 1a2b3c4d +prod -test";

export default defineCommand({
  description: `Adds tags to the session that we are in, or to another, and removes some.

What was said last holds. Secrets are taken out before anything is written.

EXAMPLES
  session-buddy tag +prod
  ${EXAMPLE}`,
  args: {
    id: SESSION_WORD,
    tags: {
      type: "positional",
      multiple: true,
      dashed: true,
      valueHint: "±tag",
      description: "+TAG adds it, -TAG removes it",
    },
    config: CONFIG_FLAG,
  },
  async run({ id, tags, config }) {
    const own = id !== undefined && isChange(id);
    const changes = own ? [id, ...tags] : tags;
    const [reference] = own ? [] : [id];
    if (changes.length === 0)
      throw fail.usage("tag needs +TAG or -TAG", `try: ${EXAMPLE}`);
    const wrong = changes.find((word) => !isChange(word));
    if (wrong !== undefined)
      throw fail.usage(
        `tag takes +TAG or -TAG, not '${wrong}'`,
        `try: ${EXAMPLE}`,
      );
    const add_tags = after("+", changes);
    const remove_tags = after("-", changes);
    const both = add_tags.find((tag) => remove_tags.includes(tag));
    if (both !== undefined)
      throw fail.usage(
        `'${both}' is to be added and removed`,
        "do one of them",
      );
    const saying = {
      ...(add_tags.length > 0 && { add_tags }),
      ...(remove_tags.length > 0 && { remove_tags }),
    };
    const settings = await validSettings(process.env, config);
    await annotate(settings, reference, saying, note, EXAMPLE);
  },
});

const isChange = (word: string) => /^[+-]./s.test(word);

const after = (sign: string, words: readonly string[]) =>
  words.filter((word) => word.startsWith(sign)).map((word) => word.slice(1));
