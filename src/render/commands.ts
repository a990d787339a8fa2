/**
 * Commands for a person: their numbers, when, how long, with which exit status, what.
 * A line a command: those of several lines are folded at a terminal, and escaped in a pipe,
 * where nothing is left out.
 */
import type { Command } from "../model/command.ts";
import { numberOf } from "../model/command-reference.ts";
import type { Zone } from "../model/clock.ts";
import { escapeText } from "./escape.ts";
import { duration, localSecond, localTime } from "./format.ts";
import type { Column } from "./table.ts";

/** @param fold only the first line of a command */
export function commandLines(
  commands: readonly Command[],
  zone: Zone,
  fold: boolean,
): string {
  const several = new Set(commands.map(({ pid }) => pid)).size > 1;
  const rows = commands.map((command) => ({
    number: numberOf(command, several),
    time: localTime(command.start_time, zone),
    took: tookOf(command),
    exit: exitOf(command),
    text: commandText(command, fold),
  }));
  const width = (key: "number" | "took" | "exit") =>
    rows.reduce((most, row) => Math.max(most, row[key].length), 0);
  const [number_cells, took_cells, exit_cells] = [
    width("number"),
    width("took"),
    width("exit"),
  ];
  return rows
    .map(({ number, time, took, exit, text }) =>
      `  ${number.padStart(number_cells)}  ${time}  ${took.padStart(took_cells)}  ${exit.padStart(exit_cells)}  ${text}`.trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

const columnsOf = (text: Column<Command>): readonly Column<Command>[] => [
  {
    header: "TIME",
    value: ({ start_time }, zone) => localTime(start_time, zone),
    person: ({ start_time }, zone) => localSecond(start_time, zone),
  },
  {
    header: "USER",
    value: ({ username }) => username ?? "-",
    ...{ shrink: "name", drop: 4 },
  },
  {
    header: "HOST",
    value: ({ hostname }) => hostname ?? "-",
    ...{ shrink: "name", drop: 3 },
  },
  {
    header: "SESSION ID",
    value: ({ session_id }) => session_id,
    ...{ shrink: "id", drop: 2 },
  },
  {
    header: "DURATION",
    value: ({ duration_seconds }) =>
      duration_seconds === null ? "-" : `${+duration_seconds.toFixed(6)}`,
    person: (command) => tookOf(command),
    drop: 1,
  },
  { header: "EXIT", value: (command) => exitOf(command) },
  text,
];

/** For a program: texts whole, durations in seconds. */
export const COMMAND_COLUMNS = columnsOf({
  header: "TEXT",
  value: (command) => textOf(command, false),
});

/** For a person: of a command of several lines the first. */
export const COMMAND_TABLE = columnsOf({
  header: "TEXT",
  value: (command) => textOf(command, true),
  text: true,
});

const tookOf = ({ duration_seconds }: Command): string =>
  duration_seconds === null ? "running" : duration(duration_seconds);

/** `0`, of a pipeline that of each: `0|1`; `-` where nobody saw it. */
const exitOf = ({ exit_code, pipe_status }: Command): string =>
  exit_code === null ? "-" : (pipe_status?.join("|") ?? String(exit_code));

/** Why there is no text. */
const MARKS: ReadonlySet<string> = new Set(["private", "withheld", "removed"]);

type Text = Pick<Command, "text" | "mark" | "truncated_bytes">;

/** One line of text that is safe on a terminal. */
export const commandText = (command: Text, fold: boolean): string =>
  escapeText(textOf(command, fold));

/** Not yet escaped. */
function textOf({ text, mark, truncated_bytes }: Text, fold: boolean): string {
  const kept = text ?? "";
  const lines = kept.split("\n");
  const shown = fold ? lines[0]! : kept;
  const notes = [
    fold && lines.length > 1 && `+${lines.length - 1} lines`,
    truncated_bytes && `+${truncated_bytes} bytes`,
    MARKS.has(mark ?? "") && mark,
  ].filter(Boolean);
  const note = notes.length > 0 ? `(${notes.join(", ")})` : "";
  return [shown, note].filter(Boolean).join(" ");
}
