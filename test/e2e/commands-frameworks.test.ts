/**
 * What others put into bash to hear of commands and prompts goes on: theirs fires
 * as often as without us, whether it comes before our hook or after it. The
 * frameworks are condensed here to how they get in.
 */
import { test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Sandbox } from "../support/sandbox.ts";
import {
  type Typed,
  bashTypist,
  bashVersion,
  sameWithAndWithout,
  typed,
} from "../support/typing.ts";

const BASH = bashTypist();

/** As bash-preexec does: a DEBUG trap that leaves out what belongs to the prompt. */
const PREEXEC = `
bash_preexec_imported=defined
__bp_inside=0 __bp_interactive=
__bp_set() { __bp_status=$?; return $1; }
__bp_precmd() {
  __bp_status=$? BP_PIPESTATUS=("\${PIPESTATUS[@]}")
  ((__bp_inside)) && return
  local __bp_inside=1 f
  for f in "\${precmd_functions[@]}"; do type -t "$f" >/dev/null && "$f"; done
  __bp_set "$__bp_status"
}
__bp_interactive_mode() { __bp_interactive=on; }
__bp_of_prompt() {
  local one; local -a all
  IFS=$'\\n;' read -rd '' -a all <<<"\${PROMPT_COMMAND[*]:-}"
  for one in "\${all[@]}"; do
    one="\${one#"\${one%%[![:space:]]*}"}"; one="\${one%"\${one##*[![:space:]]}"}"
    [[ $one == "$1" ]] && return 0
  done
  return 1
}
__bp_preexec() {
  ((__bp_inside)) && return
  [[ -n \${COMP_LINE-} || -z $__bp_interactive ]] && return
  __bp_of_prompt "$BASH_COMMAND" && return
  __bp_interactive=
  local __bp_inside=1 f text
  text=$(HISTTIMEFORMAT= builtin history 1); text=\${text#*[0-9][* ] }
  for f in "\${preexec_functions[@]}"; do type -t "$f" >/dev/null && "$f" "$text"; done
  __bp_set "\${__bp_status-0}"
}
__bp_install() {
  trap '__bp_preexec "$_"' DEBUG
  HISTCONTROL=\${HISTCONTROL/ignorespace}
  PROMPT_COMMAND=\${PROMPT_COMMAND//__bp_begin/:}
  PROMPT_COMMAND=$'__bp_precmd\\n'"$PROMPT_COMMAND"$'\\n__bp_interactive_mode'
  __bp_precmd; __bp_interactive_mode
}
PROMPT_COMMAND=\${PROMPT_COMMAND:+$PROMPT_COMMAND$'\\n'}__bp_begin
__bp_begin() { __bp_install; }
precmd_functions=(told_prompt) preexec_functions=(told_command)
told_prompt() { echo "prompt after $__bp_status"; }
told_command() { echo "about to: $1"; }
`;

/** As starship does where bash-preexec is not: DEBUG and PROMPT_COMMAND of its own. */
const STARSHIP = `
ship_preexec() {
  if [[ -n $ship_ready ]]; then ship_ready=; echo "started"; fi
  : "$1"
}
ship_precmd() { ship_status=$?; PS1="[$ship_status]<\\#>$ "; ship_ready=1; }
trap 'ship_preexec "$_"' DEBUG
PROMPT_COMMAND=ship_precmd
`;

/** Every single firing is shown. */
const COUNTING = `
fired=0
trap 'fired=$((fired + 1))' DEBUG
PROMPT_COMMAND='echo "fired $fired before the prompt"; fired=0'
PS0='expanded '
`;

const COMMANDS: Typed[] = [
  typed("echo one"),
  typed("echo two"),
  typed("echo three"),
  typed("false", 1),
  typed("false | true", 0, { pipe_status: "1 0" }),
  typed("echo $? $_"),
  { keys: [""], text: null },
  typed("(exit 3)", 3),
  {
    keys: ["for i in 1 2", "do echo $i", "done"],
    text: "for i in 1 2; do echo $i; done",
    status: 0,
  },
  typed("echo last"),
  { keys: ["exit"], text: "exit", last: true },
];

/**
 * From the second prompt on: at the one after such a trap was set, our commands
 * fire it as those of any PROMPT_COMMAND do.
 */
const SETTLED = /<3>\$ /;
/** In the startup file it is seen before the first prompt. */
const FIRST = bashVersion() < 501 ? SETTLED : /<1>\$ /;

const LATER: Typed = { keys: [". ~/later"] };
/** Before 5.1 `PROMPT_COMMAND=…` takes our hook along, and before 4.4 that is all there is. */
function recordedLater(name: string, one: Typed): Typed {
  if (bashVersion() >= 501 || name === "PREEXEC") return recordedOf(one);
  if (bashVersion() < 404 || name === "COUNTING") return { ...one, text: null };
  const { status: _status, ...rest } = one;
  return rest;
}
/** Before 4.4 nothing tells of a start where DEBUG is somebody else's. */
const recordedOf = (one: Typed): Typed =>
  bashVersion() < 404 && one.last ? { ...one, text: null } : one;

for (const [name, text] of Object.entries({ PREEXEC, STARSHIP, COUNTING })) {
  test(`${name.toLowerCase()} in the startup file fires as often as without us`, async () => {
    using plain = prepared(text);
    using sandbox = prepared(text);
    await sameWithAndWithout(
      plain,
      sandbox,
      BASH,
      COMMANDS,
      FIRST,
      COMMANDS.map(recordedOf),
    );
  });

  test(`${name.toLowerCase()} that is read later fires as often as without us`, async () => {
    using plain = prepared("");
    using sandbox = prepared("");
    for (const { home } of [plain, sandbox])
      writeFileSync(join(home, "later"), text);
    await sameWithAndWithout(
      plain,
      sandbox,
      BASH,
      [LATER, ...COMMANDS],
      SETTLED,
      [LATER, ...COMMANDS.map((one) => recordedLater(name, one))],
    );
  });
}

function prepared(text: string): Sandbox {
  const sandbox = new Sandbox();
  writeFileSync(join(sandbox.home, ".bashrc"), `PS1='<\\#>$ '\n${text}`);
  return sandbox;
}
