/**
 * The look that each shell takes at a command by itself, in the real shells:
 * whatever a rule could find is suspect to all of them.
 */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { redact } from "../../src/model/redaction/redact.ts";
import { exampleOf } from "../../src/model/redaction/rule.ts";
import { isSuspect } from "../../src/model/redaction/suspect.ts";
import { RULES } from "../../src/model/redaction/table.ts";
import { TOOLS } from "../../src/model/redaction/tools.ts";
import { prefilter } from "../../src/record/hooks/prefilter.ts";
import { corpus } from "../support/corpus.ts";
import { Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";

/** Each prints y or n for each text of a folder, 0, 1, 2 and so on. */
const SHELLS = [
  {
    shell: "bash",
    dialect: "bash",
    script: `. ./filter; for ((i = 0; i < $1; i++)); do IFS= read -rd '' t <texts/$i; if __sb_suspect "$t"; then printf y; else printf n; fi; done`,
  },
  {
    shell: "zsh",
    dialect: "zsh",
    script: `. ./filter; for ((i = 0; i < $1; i++)); do t=$(<texts/$i); if [[ "\${(L)t}" == \${~__sb_gate} ]] && __sb_suspect "$t"; then printf y; else printf n; fi; done`,
  },
  {
    shell: "fish",
    dialect: "fish",
    script: `source ./filter; for i in (seq 0 (math $argv[1] - 1)); read -z t <texts/$i; if string match -irq -- $__sb_gate $t; and string match -irq -- $__sb_re $t; printf y; else; printf n; end; end`,
  },
  {
    shell: "python3",
    dialect: "pcre",
    script: `import re,sys
f=re.compile(open("filter").read().strip()).search
for i in range(int(sys.argv[1])): sys.stdout.write("y" if f(open("texts/%d"%i).read().lower()) else "n")`,
  },
] as const;

const TEXTS = [
  ...RULES.flatMap(({ examples }) =>
    examples.map((one) => exampleOf(one).text),
  ),
  ...TOOLS.flatMap(({ examples }) => examples),
  ...corpus("tuned").map(({ text }) => text),
  ...corpus("unseen").map(({ text }) => text),
  "echo my-WORD-9",
];

test.each(SHELLS)(
  "$shell sees with $dialect what the rules could find",
  async ({ shell, dialect, script }) => {
    if (!(await needs(shell))) return;
    using sandbox = new Sandbox();
    const folder = join(sandbox.home, "texts");
    await Promise.all(
      TEXTS.map((text, i) => Bun.write(join(folder, `${i}`), text)),
    );
    writeFileSync(
      join(sandbox.home, "filter"),
      prefilter(dialect, ["my-word"]),
    );
    const argv =
      shell === "fish"
        ? ["fish", "--no-config", "-c", script, `${TEXTS.length}`]
        : shell === "python3"
          ? ["python3", "-c", script, `${TEXTS.length}`]
          : [shell, "-c", script, shell, `${TEXTS.length}`];
    const done = await sandbox.command(argv);
    expect(done).toMatchObject({ exitCode: 0, stderr: "" });
    expect(done.stdout).toHaveLength(TEXTS.length);
    const seen = [...done.stdout].map((letter) => letter === "y");
    const missed = TEXTS.filter(
      (text, i) => !seen[i] && redact(text).text !== text,
    );
    expect(missed).toEqual([]);
    expect(seen.at(-1)).toBe(true);
    // And no more than there is to see, or each command would wait for a process.
    const more = TEXTS.filter((text, i) => seen[i] && !isSuspect(text));
    expect(more.slice(0, -1)).toEqual([]);
  },
);
