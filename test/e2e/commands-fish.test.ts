/** What a person types into fish is in the record, and nothing of the recording on the screen. */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hookedCommands } from "../support/hooked.ts";
import { Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";
import {
  CTRL_C,
  CTRL_Z,
  type Typed,
  type Typist,
  dropped,
  sameWithAndWithout,
  typeAll,
  typed,
} from "../support/typing.ts";

const FISH: Typist = {
  argv: [process.env["SESSION_BUDDY_TEST_FISH"] ?? "fish"],
  prompt: /<\d+>\$ $/,
  continued: /> $/,
  counts: true,
  // The end of a job has the prompt drawn again, with another number.
  takes: "\x1b[?2004l",
  // Without colours and suggestions, which come when they come.
  env: { TERM: "dumb" },
};
const RC = `set -g fish_greeting
set -g fish_color_normal normal
set -g fish_autosuggestion_enabled 0
set -g prompts 0
function fish_prompt
    set prompts (math $prompts + 1)
    echo -n "<$prompts>\\$ "
end
bind \\cg 'commandline -r -- $pasted'
`;
/** Puts what `$pasted` holds, a line each, on the command line. */
const PASTE = "\x07";

const AWKWARD: Typed[] = [
  typed("echo one"),
  typed("false", 1),
  typed("echo $status"),
  typed("sh -c 'exit 3'", 3),
  typed("false | true", 0, { pipe_status: "1 0" }),
  typed("echo $pipestatus"),
  typed("true | false | sh -c 'exit 4'", 4, { pipe_status: "0 1 4" }),
  typed("echo (count 1 2) {a,b}c ~/none* 2>/dev/null", 124),
  typed("echo (count 1 2) {a,b}c"),
  typed("alias e=echo"),
  typed("e aliased"),
  typed("abbr --list"),
  typed("begin; echo grouped; end | cat", 0, { pipe_status: "0 0" }),
  typed("if test $x; echo yes; else; echo no; end"),
  typed("set pasted 'for i in 1 2' '  echo $i' end"),
  { keys: [PASTE], text: "for i in 1 2\n  echo $i\nend", status: 0 },
  typed("set pasted 'echo \"x' 'y\"'"),
  { keys: [PASTE], text: 'echo "x\ny"', status: 0 },
  typed("set pasted 'echo a \\\\' b"),
  { keys: [PASTE], text: "echo a \\\nb", status: 0 },
  typed("set pasted (printf \"echo 'a\\tb'\")"),
  { keys: [PASTE], text: "echo 'a\tb'", status: 0 },
  typed("printf 'echo \\xff\\xfe\\n' >bytes"),
  typed("read pasted <bytes"),
  { keys: [PASTE], text: "echo \xff\xfe", status: 0 },
  typed("echo one; echo two # a comment"),
  typed("# a comment alone"),
  typed("printf '\\033[1m%s\\033[0m\\n' bold"),
  { keys: [""], text: null },
  // The prompt after it is not another one.
  { ...dropped("echo given up"), keys: [""] },
  typed("echo $status"),
  typed("/", 0, { end_cwd: "/" }),
  typed("cd", 0, { end_cwd: "HOME" }),
  typed("true; and false; or echo neither"),
  typed("eval 'echo evaluated; false'", 1),
  typed("cat <bytes | string length", 0, { pipe_status: "0 0" }),
  typed("sh -c 'echo up; read x; echo got $x'", 0, {
    then: { shown: /^up/m, keys: CTRL_Z },
  }),
  typed("fg", 0, {
    then: { shown: /^Send job .* to foreground/m, keys: "word\r" },
  }),
  typed("sleep 0 &; wait"),
  typed("echo 'a;b' ; echo c"),
  typed("mkdir -p 'a b/c'; and cd 'a b/c'", 0, { end_cwd: "HOME/a b/c" }),
  typed("cd ../..", 0, { end_cwd: "HOME" }),
  typed("set x 5"),
  typed("echo $x"),
  typed("function f; return 7; end"),
  typed("f", 7),
  typed("nosuchcommandhere", 127),
  typed("not true", 1),
  typed("echo héllo ✓"),
  typed("echo 'a\\nb' \\\\"),
  { keys: [" echo unseen"], text: "", mark: "private", status: 0 },
  typed("sh -c 'echo up; exec sleep 100'", 130, {
    then: { shown: /^up/m, keys: CTRL_C },
  }),
  typed("echo v | cat | cat", 0, { pipe_status: "0 0 0" }),
  typed("sh -c 'kill -9 $fish_pid' >/dev/null; sh -c 'kill -9 $$'", 137),
  typed("mkdir gone; cd gone; rmdir ../gone; ls", 0, { end_cwd: "HOME/gone" }),
  typed("cd", 0, { end_cwd: "HOME" }),
  typed("function on_preexec --on-event fish_preexec; echo about: $argv; end"),
  typed(
    "function on_postexec --on-event fish_postexec; echo after: $argv; end",
  ),
  typed("echo between"),
  typed("functions -e on_preexec on_postexec"),
  { keys: ["set -g fish_private_mode 1"], status: 0 },
  { keys: ["echo unseen too"], text: "", mark: "private", status: 0 },
  { keys: ["set -e fish_private_mode"], text: "", mark: "private", status: 0 },
  typed("echo seen"),
  { keys: ["exec fish"], text: "exec fish" },
  typed("echo anew"),
  { keys: ["exit 5"], text: "exit 5", last: true },
];

test("fish: each command is recorded as its history has it, and the screen is the same", async () => {
  if (!needs("fish")) return;
  using plain = prepared();
  using sandbox = prepared();
  for (const each of [plain, sandbox])
    await each.run(["install", "hooks", "fish", "--write"]);
  await sameWithAndWithout(plain, sandbox, FISH, AWKWARD);
}, 400_000);

test("fish: commands are numbered one after the other, however many", async () => {
  if (!needs("fish")) return;
  using sandbox = prepared();
  const commands = Array.from({ length: 120 }, () => typed("true"));
  await typeAll(
    sandbox,
    FISH,
    [],
    [...commands, { keys: ["exit"], last: true }],
  );
  expect(hookedCommands(sandbox).map(({ seq }) => seq)).toEqual(
    Array.from({ length: 121 }, (_, i) => i + 1),
  );
}, 400_000);

function prepared(): Sandbox {
  const sandbox = new Sandbox();
  const folder = join(sandbox.home, ".config/fish");
  mkdirSync(folder, { recursive: true });
  // Else it reads all manual pages in the background, into a home that is to go.
  const made = join(sandbox.home, ".local/share/fish/generated_completions");
  mkdirSync(made, { recursive: true });
  writeFileSync(join(folder, "config.fish"), RC);
  return sandbox;
}
