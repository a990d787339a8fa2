/**
 * The lines that hooked shells wrote, read by rules of our own from files that nobody
 * takes away: what a whole line is, and which shell it is of, is not asked of the
 * product.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { spoolName } from "../../src/spool/folder.ts";

/** A line of a command's start or end, the first of its shell and number. */
export interface TypedLine {
  kind: "s" | "e";
  session_id: string;
  pid: number;
  /** When its shell began, microseconds since the epoch; null where no header says. */
  began: number | null;
  seq: number;
  at_us: number;
  cwd: string;
  mark: string;
  text: string;
  status: number | null;
  statuses: number[];
}

/** Which command of which shell it is about. */
export const keyOf = ({ session_id, pid, began, seq }: TypedLine): string =>
  [session_id, pid, began, seq].join(" ");

/** Whole lines of the sessions in the order of their files, each once. */
export function linesIn(kept: string, of: ReadonlySet<string>): TypedLine[] {
  const found = new Map<string, TypedLine>();
  for (const ino of namesIn(kept))
    for (const name of namesIn(join(kept, ino))) {
      const [session_id = "", pid] = spoolName(name).split(".");
      if (!of.has(session_id)) continue;
      const text = readFileSync(join(kept, ino, name), "utf8");
      for (const line of linesOf(text, session_id, Number(pid))) {
        const key = `${line.kind} ${keyOf(line)}`;
        // A fork of the shell may have written it too.
        if (!found.has(key)) found.set(key, line);
      }
    }
  return [...found.values()];
}

function* linesOf(
  text: string,
  session_id: string,
  pid: number,
): Generator<TypedLine> {
  let began: number | null = null;
  for (const line of text.split("\n")) {
    const fields = line.split("\t");
    // Torn, or run into the one after it.
    if (fields.at(-1) !== ".") continue;
    const [kind, seq, time, a = "", b = "", c = ""] = fields;
    if (kind === "h" && (fields.length === 9 || fields.length === 10))
      [pid, began] = [Number(fields[4]), Number(fields[7])];
    const common = { session_id, pid, began, seq: Number(seq) };
    const at_us = Number(time);
    if (kind === "s" && fields.length === 7)
      yield {
        ...{ kind, ...common, at_us, cwd: plain(a), mark: markOf(b) },
        ...{ text: plain(c), status: null, statuses: [] },
      };
    if (kind === "e" && (fields.length === 7 || fields.length === 8))
      yield {
        ...{ kind, ...common, at_us, cwd: plain(c), mark: "", text: "" },
        status: a === "" ? null : Number(a),
        statuses: b.split(" ").filter(Boolean).map(Number),
      };
  }
}

const markOf = (field: string) =>
  /^(private|withheld)?$/.test(field)
    ? field
    : `redacted:${field.replaceAll(" ", ",")}`;

const ESCAPED: Readonly<Record<string, string>> = {
  ...{ n: "\n", t: "\t", "\\": "\\" },
};
const plain = (field: string) =>
  field.replace(/\\([nt\\])/g, (_, letter: string) => ESCAPED[letter]!);

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Nobody typed anything.
    return [];
  }
}
