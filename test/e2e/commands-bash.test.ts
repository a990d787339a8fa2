/**
 * What a person types into bash is in the record, and nothing of the recording is
 * on the screen: each of the commands below is typed twice, into bash as it is and
 * into a wrapped one.
 */
import { test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Sandbox } from "../support/sandbox.ts";
import {
  CTRL_C,
  CTRL_Z,
  IN_ANY_SHELL,
  PIPELINES,
  type Typed,
  bashTypist,
  bashVersion,
  dropped,
  sameWithAndWithout,
  expectRecorded,
  typeAll,
  typed,
} from "../support/typing.ts";

const BASH = bashTypist();
const RC = "PS1='<\\#>$ '\nHISTFILE=~/.history\n";
const CTRL_V = "\x16";

const AWKWARD: Typed[] = [
  typed("echo one"),
  typed("true"),
  typed("false", 1),
  typed("echo $?"),
  ...PIPELINES,
  typed("echo ${PIPESTATUS[@]} $?"),
  ...IN_ANY_SHELL,
  {
    keys: ["for i in 1 2", "do echo $i", "done"],
    text: "for i in 1 2; do echo $i; done",
    status: 0,
  },
  {
    keys: ["cat <<END", "body \\t", "END"],
    text: "cat <<END\nbody \\t\nEND\n",
    status: 0,
  },
  { keys: ["echo a \\", "b"], text: "echo a b", status: 0 },
  { keys: ['echo "x', 'y"'], text: 'echo "x\ny"', status: 0 },
  typed("echo again"),
  { keys: ["!!"], text: "echo again", status: 0 },
  { keys: ["echo !$ !$"], text: "echo again again", status: 0 },
  typed("echo héllo ✓"),
  {
    keys: [new Uint8Array([...Buffer.from("echo "), 0xff, 0xfe])],
    text: "echo \xff\xfe",
    status: 0,
  },
  { keys: [`echo 'a${CTRL_V}\tb'`], text: "echo 'a\tb'", status: 0 },
  typed("echo 'a\\nb' \\\\"),
  typed("printf '\\033[1m%s\\033[0m\\n' bold"),
  typed(" echo blank first"),
  typed("HISTCONTROL=ignoreboth"),
  { keys: [" echo unseen"], text: "", mark: "private", status: 0 },
  typed("echo twice"),
  { keys: ["echo twice"], text: "", mark: "private", status: 0 },
  typed("HISTCONTROL="),
  typed("HISTIGNORE='uname*'"),
  { keys: ["uname -s"], text: "", mark: "private", status: 0 },
  typed("unset HISTIGNORE"),
  { keys: [""], text: null },
  { keys: ["echo )"], text: bashVersion() < 404 ? "echo )" : null },
  // A word of its own tells that it runs, and not the shell any more.
  typed("sh -c 'echo up; exec sleep 100'", 130, {
    then: { shown: /^up/m, keys: CTRL_C },
  }),
  typed("sh -c 'echo up; read x; echo got $x'", 148, {
    then: { shown: /^up/m, keys: CTRL_Z },
  }),
  typed("fg", 0, { then: { shown: /^sh -c/m, keys: "word\r" } }),
  typed("sleep 0 & wait $!"),
  // The readline of 4.3 takes the Ctrl-C at the next key.
  ...(bashVersion() < 404 ? [] : [dropped("echo given up")]),
  typed("echo $?"),
  typed("(cd /; pwd)", 0, { end_cwd: "HOME" }),
  typed("echo v | (read v; echo $v) | cat", 0, { pipe_status: "0 0 0" }),
  typed("(kill -9 $BASHPID)", 137),
  typed("bash -c 'exit 9'", 9),
  typed("mkdir gone; cd gone; rmdir ../gone; ls", 0, { end_cwd: "HOME/gone" }),
  typed("cd", 0, { end_cwd: "HOME" }),
  typed("set -x"),
  typed("echo traced"),
  typed("set +x"),
  typed("trap 'echo about to: $BASH_COMMAND' DEBUG"),
  typed("echo under a trap"),
  typed("trap - DEBUG"),
  typed("trap"),
  typed("umask; alias | md5sum; shopt | md5sum", 0),
  typed("echo $-; shopt -o | grep -v history; set -o | md5sum"),
  ...(bashVersion() < 501
    ? []
    : [
        typed("PROMPT_COMMAND='echo before the prompt'"),
        typed("echo with a prompt command"),
      ]),
  // It takes our hook along, and with it the ends. Before 4.4 there is nothing else
  // since somebody else had DEBUG.
  bashVersion() < 404
    ? { keys: ["unset PROMPT_COMMAND"], text: null }
    : { keys: ["unset PROMPT_COMMAND"], text: "unset PROMPT_COMMAND" },
  bashVersion() < 404
    ? { keys: ["echo without"], text: null }
    : { keys: ["echo without"], text: "echo without", ended: false },
  bashVersion() < 404
    ? { keys: ["exec bash"], text: null }
    : { keys: ["exec bash"], text: "exec bash", ended: false },
  typed("echo anew"),
  { keys: ["exit 5"], text: "exit 5", last: true },
];

test("bash: each command is recorded as its history has it, and the screen is the same", async () => {
  using plain = prepared();
  using sandbox = prepared();
  // A bash that takes the place of the first needs the line of its own.
  for (const each of [plain, sandbox])
    await each.run(["install", "hooks", "bash", "--write"]);
  await sameWithAndWithout(plain, sandbox, BASH, AWKWARD);
}, 400_000);

for (const control of ["ignorespace", "ignorespace:erasedups"])
  test(`bash: the first command, too, may be private under ${control}`, async () => {
    using sandbox = prepared();
    writeFileSync(join(sandbox.home, ".history"), "echo of before\n");
    writeFileSync(
      join(sandbox.home, ".bashrc"),
      `${RC}HISTCONTROL=${control}\n`,
    );
    const commands: Typed[] = [
      { keys: [" echo unseen"], text: "", mark: "private", status: 0 },
      typed("echo seen"),
      { keys: [" echo unseen"], text: "", mark: "private", status: 0 },
      { keys: ["exit"], text: "exit", last: true },
    ];
    await typeAll(sandbox, BASH, [], commands);
    expectRecorded(sandbox, commands);
  });

function prepared(): Sandbox {
  const sandbox = new Sandbox();
  writeFileSync(join(sandbox.home, ".bashrc"), RC);
  return sandbox;
}
