/**
 * Formats help: what a command does, its flags, then notes and examples; and the
 * overview of commands. It fits a terminal of 80 columns.
 */

const WIDTH = 80;

/** What is read of a command's definition. */
export interface CommandText {
  /** The first paragraph says what it does; notes and examples follow. */
  description: string;
  args: Readonly<Record<string, ArgText>>;
}

export interface ArgText {
  type: string;
  alias?: string;
  default?: unknown;
  valueHint?: string;
  multiple?: true;
  description: string;
}

export function commandHelp(
  name: string,
  { description, args }: CommandText,
): string {
  const [summary, notes] = split(description);
  const all = Object.entries(args);
  const words = all.filter(([, { type }]) => type === "positional");
  const flags = all.filter(([, { type }]) => type !== "positional");
  const usage = words
    .map((word) => ` [${valueName(word)}${word[1].multiple ? "…" : ""}]`)
    .join("");
  return sections(
    summary,
    `USAGE  session-buddy ${name} [flags]${usage}`,
    columns(words.map(([word, arg]) => [word.toUpperCase(), arg.description])),
    `FLAGS\n${columns([...flags.map(flagRow), ["-h, --help", "This text"]])}`,
    notes,
  );
}

/**
 * @param group the first word of commands of two words; all commands when left out
 * @param commands names and descriptions
 */
export function groupHelp(
  group: string | undefined,
  description: string,
  commands: readonly [string, string][],
): string {
  const [summary, notes] = split(description);
  const words = group === undefined ? "COMMAND" : `${group} COMMAND`;
  const rows = commands.map(([name, about]): [string, string] => [
    name,
    split(about)[0].replace(/\.$/, ""),
  ]);
  return sections(
    summary,
    `USAGE  session-buddy ${words} [flags]`,
    `COMMANDS\n${columns(rows)}`,
    `  session-buddy ${words} --help says more, with examples`,
    notes,
  );
}

const sections = (...texts: string[]) =>
  `${texts.filter(Boolean).join("\n\n")}\n`;

export function split(description: string): [summary: string, notes: string] {
  const [summary, ...notes] = description.split("\n\n");
  return [summary!, notes.join("\n\n")];
}

export const valueName = ([name, { valueHint = name }]: [string, ArgText]) =>
  valueHint.toUpperCase();

/** A flag that is on by default is shown as the one that turns it off. */
export function flagParts([name, arg]: [string, ArgText]) {
  const { alias } = arg;
  const long = arg.default === true ? `--no-${name}` : `--${name}`;
  const short = alias?.length === 1 ? [`-${alias}`] : [];
  const synonym = alias && alias.length > 1 ? [`--${alias}`] : [];
  return {
    spellings: [...short, long, ...synonym],
    value: arg.type === "boolean" ? "" : valueName([name, arg]),
  };
}

function flagRow(flag: [string, ArgText]): [string, string] {
  const { spellings, value } = flagParts(flag);
  const indent = /^-\w$/.test(spellings[0]!) ? "" : "    ";
  const words = value ? ` ${value}` : "";
  return [`${indent}${spellings.join(", ")}${words}`, flag[1].description];
}

/** Two columns; the left one as wide as it needs to be, the right one wrapped. */
function columns(rows: readonly [string, string][]): string {
  const left = Math.max(0, ...rows.map(([text]) => text.length));
  const line = new RegExp(`(?=\\S)(.{1,${WIDTH - left - 4}})(?: +|$)`, "g");
  const indent = `\n${" ".repeat(left + 4)}`;
  return rows
    .map(([text, about]) => {
      const lines = [...about.matchAll(line)].map(([, words]) => words);
      return `  ${text.padEnd(left)}  ${lines.join(indent)}`;
    })
    .join("\n");
}
