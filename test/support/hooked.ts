/**
 * What hooks have recorded: the lines of a session's `.commands` files, as the
 * shells wrote them.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Sandbox } from "./sandbox.ts";

export interface HookedCommand {
  pid: string;
  seq: number;
  text: string;
  mark: string;
  cwd: string;
  started_us: number;
  /** Absent while there is no end. */
  status?: number;
  pipe_status?: string;
  end_cwd?: string;
  ended_us?: number;
}

const ESCAPED: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  "\\": "\\",
};
const plain = (field: string) =>
  field.replace(/\\([nt\\])/g, (_, letter: string) => ESCAPED[letter]!);

/**
 * The commands in their order, each once, over all shells of the sandbox.
 * @throws Error naming a line that is not whole
 */
export function hookedCommands(sandbox: Sandbox): HookedCommand[] {
  const found = new Map<string, HookedCommand>();
  for (const line of hookedLines(sandbox)) {
    const fields = line.fields;
    const [kind, seq = "", time = ""] = fields;
    const key = `${line.file} ${line.header} ${seq}`;
    if (kind === "s")
      found.set(key, {
        ...{ pid: line.pid, seq: Number(seq), started_us: Number(time) },
        ...{
          cwd: plain(fields[3]!),
          mark: fields[4]!,
          text: plain(fields[5]!),
        },
      });
    const command = found.get(key);
    if (kind === "e" && command) {
      command.ended_us = Number(time);
      command.status = Number(fields[3]);
      command.pipe_status = fields[4]!;
      command.end_cwd = plain(fields[5]!);
    }
  }
  return [...found.values()].sort((a, b) => a.started_us - b.started_us);
}

/** All lines of all shells; `header` counts the shells that had this pid. */
export function hookedLines(sandbox: Sandbox) {
  const lines: {
    file: string;
    pid: string;
    header: number;
    fields: string[];
  }[] = [];
  for (const file of readdirSync(sandbox.spool)) {
    const pid = /\.(\d+)\.commands$/.exec(file)?.[1];
    if (pid === undefined) continue;
    // What is not UTF-8 has to come through, too.
    const text = readFileSync(join(sandbox.spool, file), "latin1");
    let header = 0;
    for (const line of text.split("\n")) {
      if (line === "") continue;
      const fields = line.split("\t");
      if (fields.pop() !== ".") throw new Error(`torn: ${line}`);
      if (fields[0] === "h") header++;
      lines.push({ file, pid, header, fields });
    }
  }
  return lines;
}

/** As `hookedCommands` gives back a text: its UTF-8 bytes, one a character. */
export const asBytes = (text: string): string =>
  Buffer.from(text).toString("latin1");
