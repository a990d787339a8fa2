/**
 * What is typed into shells, as chance picks it: which shells there are, how their
 * prompts are told from each other, and commands, some with a secret in them.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "../support/random.ts";

/** Numbered prompts, histories outside of what is searched for secrets. */
const STARTUP = {
  bash: [
    ".bashrc",
    "PS1='<\\#>$ '\nHISTCONTROL=ignorespace\nHISTFILE=~/.history\n",
    "hook.bash",
  ],
  zsh: [
    ".zshrc",
    "PROMPT='<$((++prompts))>$ '\nsetopt promptsubst\nunsetopt promptsp zle\nsetopt histignorespace\nHISTFILE=~/.history\n",
    "hook.zsh",
  ],
  fish: [
    ".config/fish/config.fish",
    "set -g fish_greeting\nset -g fish_history ''\nset -g fish_autosuggestion_enabled 0\nset -g prompts 0\nfunction fish_prompt; set prompts (math $prompts + 1); echo -n \"<$prompts>\\$ \"; end\n",
    "",
  ],
} as const;
export type Shell = keyof typeof STARTUP;
export const SHELLS = (Object.keys(STARTUP) as Shell[]).filter((shell) =>
  Bun.which(shell),
);

/** Startup files, which hook the shells inside, too. */
export function furnish(home: string): void {
  // Else fish reads all manual pages, in the background, to complete words.
  mkdirSync(join(home, ".local/share/fish/generated_completions"), {
    recursive: true,
    mode: 0o700,
  });
  for (const [path, text, hook] of Object.values(STARTUP)) {
    const nested = `[ -O "\${SESSION_BUDDY_HOOKS-}" ] && . "$SESSION_BUDDY_HOOKS/${hook}"\n`;
    mkdirSync(join(home, path, ".."), { recursive: true });
    writeFileSync(join(home, path), text + (hook && nested));
  }
}

export interface TypedCommand {
  text: string;
  /** null: it is not known, or nothing to be sure of. */
  status: number | null;
  secret: boolean;
  /** Its prompt came back: nothing was in its way. */
  done: boolean;
}

/** What is typed. A secret is put together here: none stands in a file. */
export function plan(
  random: Random,
  shell: Shell,
  secrets: string[],
): TypedCommand[] {
  const word = () => random.hex(12);
  const one = (text: string, status: number | null = 0) => ({
    ...{ text, status, secret: false, done: false },
  });
  const secret = () => {
    const value = `${random.hex(10)}Z${random.hex(12)}`;
    secrets.push(value);
    const text = random.pick([
      `export API_TOKEN=${value}`,
      `true mysql -uroot -p${value} shop`,
      `true curl -u admin:${value} http://127.0.0.1/`,
      `true postgres://bob:${value}@127.0.0.1/db`,
      `true --password=${value} --verbose`,
      ` echo ${value}`,
      `true ${["gh", "p_"].join("")}${value}${random.hex(13)}`,
    ]);
    return { text, status: 0, secret: true, done: false };
  };
  const kinds: (() => TypedCommand[])[] = [
    () => [one(`echo ${word()}`)],
    () => [one(`echo ${word()}`)],
    () => [one(`sh -c 'exit ${random.int(0, 120)}; ${word()}'`, null)],
    () => [one("false", 1)],
    () => [one("false | true")],
    () => [one(`sleep 0.0${random.int(1, 9)}`)],
    () => [one(`mkdir -p /tmp/../$HOME/${word()}`)],
    () => [one("cd ~")],
    () => [one("cd /")],
    () => [one(`echo 'a\\nb${word()}' \\\\`)],
    () => [one(`echo héllo✓${word()}`)],
    () => [secret()],
    () => [secret()],
  ];
  if (shell !== "fish")
    kinds.push(
      () => [one(shell, null), one(`echo ${word()}`), one("exit 3", null)],
      () => [one(`exec ${shell}`, null), one(`echo ${word()}`)],
    );
  return Array.from({ length: random.int(2, 8) }, () =>
    random.pick(kinds)(),
  ).flat();
}
