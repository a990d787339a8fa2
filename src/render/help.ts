/**
 * A command's help: what it does, its flags, then notes and examples.
 */

/** What a command definition says of itself; citty's own fits. */
export interface CommandText {
  meta?: unknown;
  args?: unknown;
}

interface Meta {
  name: string;
  /** The first paragraph says what it does; notes and examples follow. */
  description: string;
}

interface Arg {
  type?: string;
  alias?: string;
  default?: unknown;
  required?: boolean;
  valueHint?: string;
  description: string;
}

export function commandHelp({ meta, args }: CommandText): string {
  const { name, description } = meta as Meta;
  const [head, ...notes] = description.split("\n\n");
  const all = Object.entries((args ?? {}) as Record<string, Arg>);
  const words = all.filter(([, { type }]) => type === "positional");
  const flags = all.filter(([, { type }]) => type !== "positional");
  const usage = words.map(([word]) => ` [${word.toUpperCase()}]`).join("");
  return [
    `${head}\n`,
    `USAGE  session-buddy ${name} [flags]${usage}\n`,
    ...words.map(
      ([word, { description: text }]) => `  ${word.toUpperCase()}  ${text}\n`,
    ),
    "FLAGS",
    ...columns([
      ...flags.map(flagRow),
      ["-h, --help", "This text"] satisfies [string, string],
    ]),
    "",
    notes.join("\n\n"),
    "",
  ].join("\n");
}

/** A flag that is on by default is shown as the one that turns it off. */
function flagRow([name, arg]: [string, Arg]): [string, string] {
  const short = arg.alias?.length === 1 ? `-${arg.alias}, ` : "    ";
  const long = arg.default === true ? `--no-${name}` : `--${name}`;
  const synonym = arg.alias && arg.alias.length > 1 ? `, --${arg.alias}` : "";
  const value =
    arg.type === "boolean" ? "" : ` ${(arg.valueHint ?? name).toUpperCase()}`;
  return [`${short}${long}${synonym}${value}`, arg.description];
}

/** Two columns, the first as wide as it needs to be. */
export function columns(rows: readonly [string, string][]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
