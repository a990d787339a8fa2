/** What a person types into zsh is in the record, and nothing of the recording on the screen. */
import { test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import {
  CTRL_C,
  CTRL_Z,
  IN_ANY_SHELL,
  NUMBERED,
  PIPELINES,
  type Typed,
  type Typist,
  dropped,
  sameWithAndWithout,
  typed,
} from "../support/typing.ts";

const ZSH: Typist = {
  argv: ["zsh"],
  ...NUMBERED,
};
/** Numbered prompts; the mark of a line without an end would fill the screen. */
const rcOf = (editor: string) => `PROMPT='<$((++prompts))>$ '
PROMPT2='> '
setopt promptsubst ${editor}
unsetopt promptsp
HISTFILE=~/.history
`;

/** What the line editor itself makes something else of. */
const UNEDITED: Typed[] = [
  {
    keys: [new Uint8Array([...Buffer.from("echo "), 0xff, 0xfe])],
    text: "echo \xff\xfe",
    status: 0,
  },
  typed("echo 'a\tb'"),
  // A prompt comes at Enter alone.
  { ...dropped("echo given up"), keys: [""] },
];

const AWKWARD: Typed[] = [
  typed("echo one"),
  typed("false", 1),
  typed("echo $?"),
  ...PIPELINES,
  typed("echo $pipestatus $?"),
  ...IN_ANY_SHELL,
  {
    keys: ["for i in 1 2", "do echo $i", "done"],
    text: "for i in 1 2\ndo echo $i\ndone",
    status: 0,
  },
  {
    keys: ["cat <<END", "body \\t", "END"],
    text: "cat <<END\nbody \\t\nEND",
    status: 0,
  },
  { keys: ["echo a \\", "b"], text: "echo a \\\nb", status: 0 },
  { keys: ['echo "x', 'y"'], text: 'echo "x\ny"', status: 0 },
  typed("echo again"),
  { keys: ["!!"], text: "echo again", status: 0 },
  typed("echo héllo ✓"),
  typed("echo -E 'a\\nb' \\\\"),
  typed(" echo blank first"),
  typed("setopt histignorespace"),
  { keys: [" echo unseen"], text: "", mark: "private", status: 0 },
  typed("unsetopt histignorespace"),
  typed("setopt histignoredups"),
  typed("echo twice"),
  typed("echo twice"),
  { keys: [""], text: null },
  { keys: ["echo )"], text: null },
  typed("sh -c 'echo up; exec sleep 100'", 130, {
    then: { shown: /^up/m, keys: CTRL_C },
  }),
  typed("sh -c 'echo up; read x; echo got $x'", 148, {
    then: { shown: /^up/m, keys: CTRL_Z },
  }),
  typed("fg", 0, { then: { shown: /continued/, keys: "word\r" } }),
  typed("sleep 0 & wait $!"),
  typed("echo $?"),
  { keys: ["echo !$ !$"], text: "echo $? $?", status: 0 },
  typed("echo =ls **/none(N) $((6 * 7))"),
  typed("(cd /; pwd)", 0, { end_cwd: "HOME" }),
  typed("echo v | (read v; echo $v) | cat", 0, { pipe_status: "0 0 0" }),
  typed("sh -c 'kill -9 $$'", 137),
  typed("bash -c 'exit 9'", 9),
  typed("mkdir gone; cd gone; rmdir ../gone; ls", 0, { end_cwd: "HOME/gone" }),
  typed("cd", 0, { end_cwd: "HOME" }),
  typed("set -x"),
  typed("echo traced"),
  typed("set +x"),
  typed("trap 'echo interrupted' INT"),
  typed("trap"),
  typed("echo $-; setopt | cksum", 0),
  typed("precmd() { echo before the prompt $?; }"),
  typed('preexec() { echo about: "$1"; }'),
  typed("false", 1),
  // Whoever sets the lists anew takes our hooks out; they come back.
  {
    keys: ["precmd_functions=(); preexec_functions=()"],
    text: "precmd_functions=(); preexec_functions=()",
    ended: false,
  },
  typed("echo healed"),
  typed("setopt ksharrays shwordsplit globsubst noclobber nounset"),
  typed("echo $x"),
  typed("true | false", 1, { pipe_status: "0 1" }),
  { keys: ["exec zsh"], text: "exec zsh" },
  typed("echo anew"),
  { keys: ["exit 5"], text: "exit 5", last: true },
];

for (const [editor, commands] of [
  ["nozle", [...UNEDITED, ...AWKWARD]],
  ["zle", [dropped("echo given up"), ...AWKWARD]],
] as const)
  test(`zsh, ${editor}: each command is recorded as its history has it, and the screen is the same`, async () => {
    if (!needs("zsh")) return;
    using plain = prepared(editor);
    using sandbox = prepared(editor);
    for (const each of [plain, sandbox])
      await each.run(["install", "hooks", "zsh", "--write"]);
    await sameWithAndWithout(plain, sandbox, ZSH, commands);
  }, 400_000);

function prepared(editor: string): Sandbox {
  const sandbox = new Sandbox();
  writeFileSync(join(sandbox.home, ".zshrc"), rcOf(editor));
  return sandbox;
}
