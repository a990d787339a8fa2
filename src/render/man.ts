/**
 * Formats manual pages (roff, man(7)) from what help is made of: one for a command,
 * and the overview. Every text goes through `roff`: none of it is a request.
 */
import {
  type ArgText,
  type CommandText,
  flagParts,
  split,
  valueName,
} from "./help.ts";

export const MAN_MARK = "written by `session-buddy install man`";

/** What the pages are of, for their last line. */
export interface Build {
  version: string;
  date: string;
}

/** `session-buddy-list-sessions`, and the file's name with its section. */
export const pageName = (command: string | null): string =>
  command === null ? PROGRAM : `${PROGRAM}-${command.replaceAll(" ", "-")}`;
export const pageFile = (command: string | null): string =>
  `${pageName(command)}.1`;

const PROGRAM = "session-buddy";

/** Of all commands but shell. */
const EXIT_STATUS: readonly (readonly [string, string])[] = [
  ["0", "Done, or nothing was found"],
  ["1", "Not found, ambiguous, or another failure, which is said"],
  ["2", "No server runs, or it cannot be reached"],
  ["3", "A server runs already"],
  ["4", "A check failed"],
  ["5", "The configuration is refused"],
  ["6", "Not permitted"],
  ["7", "Took too long"],
  ["64", "Used in a wrong way"],
];

export function commandPage(
  command: string,
  { description, args }: CommandText,
  build: Build,
  others: readonly string[],
): string {
  const [summary, notes] = split(description);
  const all = Object.entries(args);
  const words = all.filter(([, { type }]) => type === "positional");
  const flags = all.filter(([, { type }]) => type !== "positional");
  return page(command, build, summary, [
    ...[".SH SYNOPSIS", `.B ${roff(`${PROGRAM} ${command}`)}`],
    "[\\fIflags\\fP]",
    ...words.map(
      (word) =>
        `[\\fI${roff(valueName(word))}\\fP${word[1].multiple ? "…" : ""}]`,
    ),
    ".SH DESCRIPTION",
    roff(summary),
    ...notesOf(notes, "before"),
    ...(words.length > 0 ? [".SH ARGUMENTS"] : []),
    ...words.flatMap(([word, { description: about }]) =>
      item(`\\fI${roff(word.toUpperCase())}\\fP`, about),
    ),
    ".SH OPTIONS",
    ...flags.flatMap((flag) => item(flagTag(flag), flag[1].description)),
    ...item(bold(["-h", "--help"]), "Tells what the command does"),
    ...notesOf(notes, "after"),
    ...seeAlso(others),
  ]);
}

/** @param commands names and summaries */
export function overviewPage(
  about: string,
  commands: readonly (readonly [string, string])[],
  build: Build,
): string {
  const [, notes] = split(about);
  const summary = "the flight recorder for admin shells";
  return page(null, build, summary, [
    ...[
      ".SH SYNOPSIS",
      `.B ${roff(PROGRAM)}`,
      "\\fIcommand\\fP [\\fIflags\\fP]",
    ],
    ".SH DESCRIPTION",
    "Wraps any shell and records its life, serves MCP so that other shells can send",
    "theirs, and answers who was in which shell, when, for how long, and how it ended.",
    ...notesOf(notes, "before"),
    ".SH COMMANDS",
    ...commands.flatMap(([name, text]) => item(`\\fB${roff(name)}\\fP`, text)),
    ".SH EXIT STATUS",
    ...EXIT_STATUS.flatMap(([status, about]) => item(status, about)),
    ...notesOf(notes, "after"),
    ...seeAlso(commands.map(([name]) => name)),
  ]);
}

function page(
  command: string | null,
  { version, date }: Build,
  summary: string,
  lines: readonly string[],
): string {
  const name = pageName(command);
  return [
    `.\\" ${MAN_MARK}`,
    `.TH ${roff(name.toUpperCase())} 1 "${date}" "${roff(`${PROGRAM} ${version}`)}" "User Commands"`,
    ".SH NAME",
    `${roff(name)} \\- ${roff(summary.replace(/\.$/, "").replaceAll("\n", " "))}`,
    ...lines,
    "",
  ].join("\n");
}

const item = (tag: string, about: string) => [".TP", tag, roff(about)];

const bold = (spellings: readonly string[]) =>
  spellings.map((text) => `\\fB${roff(text)}\\fP`).join(", ");

function flagTag(flag: [string, ArgText]): string {
  const { spellings, value } = flagParts(flag);
  return `${bold(spellings)}${value && ` \\fI${roff(value)}\\fP`}`;
}

/** What begins with one is a section; before the options only what has none is. */
const HEADING = /^([A-Z]{2}[A-Z ]*?)(?:  +(.*))?$/;

/** Paragraphs without a heading, or those from the first heading on. */
function notesOf(notes: string, which: "before" | "after"): string[] {
  const paragraphs = notes.split("\n\n").filter(Boolean);
  const first = paragraphs.findIndex((text) =>
    HEADING.test(text.split("\n", 1)[0]!),
  );
  const end = first < 0 ? paragraphs.length : first;
  return which === "before"
    ? paragraphs
        .slice(0, end)
        .flatMap((text) => [".PP", ...body(text.split("\n"))])
    : paragraphs.slice(end).flatMap(section);
}

function section(text: string): string[] {
  const [first, ...rest] = text.split("\n");
  const heading = HEADING.exec(first!);
  if (!heading) return [".PP", ...body([first!, ...rest])];
  const [, title, beside] = heading;
  return [
    `.SH ${roff(title!)}`,
    ...body(beside === undefined ? rest : [beside, ...rest]),
  ];
}

/** Lines that are set in keep their form; others are filled. */
function body(lines: readonly string[]): string[] {
  const out: string[] = [];
  let set = false;
  for (const line of lines) {
    const inset = line.startsWith("  ");
    if (inset !== set) out.push(inset ? ".nf" : ".fi");
    out.push(roff(inset ? line.slice(2) : line));
    set = inset;
  }
  if (set) out.push(".fi");
  return out;
}

const seeAlso = (names: readonly string[]) =>
  names.length === 0
    ? []
    : [
        ".SH SEE ALSO",
        ...names.map(
          (name, i) =>
            `.BR ${roff(name === "" ? PROGRAM : pageName(name))} (1)${i < names.length - 1 ? "," : ""}`,
        ),
      ];

const NAMED: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
  '"': "\\(dq",
};

/** Text as itself: no request, no escape, and no character that ASCII lacks. */
function roff(text: string): string {
  const plain = text
    .replace(/[\\'`^~"-]/g, (c) => NAMED[c]!)
    .replace(
      /[^\n -~]/gu,
      (c) =>
        `\\[u${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`,
    );
  return plain.replace(/^\./gm, "\\&.");
}
