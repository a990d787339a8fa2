/** Which shells are brought to read a hook, and which are left as they are. */
import { expect, test } from "bun:test";
import { entryOf } from "../../src/record/hooks/entry.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function entered(line: string, env: Record<string, string> = {}) {
  const words = line.split(" ");
  const argv = words.map((word) => encoder.encode(word));
  const entry = entryOf({ file: argv[0]!, argv }, words, env, "/hooks");
  return (
    entry && {
      argv: entry.program.argv.map((word) => decoder.decode(word)),
      variables: entry.variables,
    }
  );
}

test("a plain interactive shell reads its hook", () => {
  expect(entered("/bin/bash -i")).toEqual({
    argv: ["/bin/bash", "--rcfile", "/hooks/rc.bash", "-i"],
    variables: {},
  });
  expect(entered("-bash", { ENV: "/mine" })).toEqual({
    argv: ["-bash", "--posix"],
    variables: { ENV: "/hooks/env.bash", SESSION_BUDDY_ENV: "/mine" },
  });
  expect(entered("bash -il")?.argv).toEqual(["bash", "--posix", "-il"]);
  expect(entered("zsh -l", { ZDOTDIR: "/z" })).toEqual({
    argv: ["zsh", "-l"],
    variables: { ZDOTDIR: "/hooks/zdot", SESSION_BUDDY_ZDOTDIR: "/z" },
  });
  expect(entered("fish")?.argv).toEqual([
    "fish",
    "-C",
    "source '/hooks/hook.fish'",
  ]);
  const startup = { PYTHONSTARTUP: "/hooks/hook.py" };
  for (const line of [
    "python3.11",
    "python3 -q",
    "pypy3",
    "ipython --no-banner",
    "python -q -m IPython --no-banner",
  ])
    expect(entered(line)).toEqual({
      argv: line.split(" "),
      variables: startup,
    });
});

test("what has something to run, or is told to read no startup file, is not touched", () => {
  for (const line of [
    ...["bash -c ls", "bash script", "bash -s", "bash --norc", "bash --posix"],
    ...["bash --rcfile mine", "bash --init-file mine", "bash -ic ls", "bash -"],
    ...["zsh -f", "zsh -c ls", "zsh script", "zsh -is", "zsh -o norcs"],
    ...["fish -c ls", "fish --no-config", "fish -N", "fish script"],
    ...["fish --private", "python3 -c 1", "python3 script.py", "python3 -I"],
    ...["python3 -E", "python3 -m http.server", "python3 -i script.py"],
    ...["python3 -m IPython script.py", "ipython script.py", "python3 -"],
    ...["sh", "dash -i", "ksh", "tmux", "vim", "rbash"],
  ])
    expect([line, entered(line)]).toEqual([line, null]);
  expect(entered("bash", { POSIXLY_CORRECT: "" })).toBeNull();
});
