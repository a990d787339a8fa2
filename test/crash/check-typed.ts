/**
 * What was typed, after a round: each whole line that a shell wrote is stored once, a
 * command is shown with its own end or closed with its session, in the order of its
 * shell, and no secret stands anywhere.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "../../src/model/command.ts";
import { memoryFolderOf } from "../../src/os/memory-folder.ts";
import type { Actors } from "./actors.ts";
import { type TypedLine, keyOf, linesIn } from "./lines.ts";
import type { Typist } from "./typist.ts";
import type { TypedCommand } from "./typing.ts";
import type { World } from "./world.ts";

export async function checkTyped(
  world: World,
  { typists }: Actors,
): Promise<void> {
  const lines = linesIn(world.kept, sessionsOf(typists));
  world.count("lines typed", lines.length);
  await checkStored(world, typists, lines);
  const bySession = Map.groupBy(lines, ({ session_id }) => session_id);
  for (const { session_id, typed } of typists)
    if (session_id !== null)
      checkWritten(world, typed, bySession.get(session_id) ?? []);
  checkSecrets(world);
}

const sessionsOf = (typists: readonly Typist[]): ReadonlySet<string> =>
  new Set(typists.flatMap(({ session_id }) => session_id ?? []));

/** The lines on the disk and the events in the database are the same, each once. */
async function checkStored(
  world: World,
  typists: readonly Typist[],
  lines: readonly TypedLine[],
): Promise<void> {
  const sessions = sessionsOf(typists);
  const stored = new Map<string, number>();
  for (const { session_id, payload } of await world.stored()) {
    const event = JSON.parse(payload) as StoredCommand;
    if (!/^command_(start|end)$/.test(event.event_type)) continue;
    // What others left in the midst of it says no pid.
    if (!sessions.has(session_id) || event.pid === undefined) continue;
    const facts = factsOfEvent(session_id, event);
    stored.set(facts, (stored.get(facts) ?? 0) + 1);
  }
  for (const line of lines) {
    const facts = factsOfLine(line);
    const times = stored.get(facts) ?? 0;
    if (times !== 1)
      world.blame(`is stored ${times} times, and was written: ${facts}`);
    stored.delete(facts);
  }
  // A drain whose clock is ahead takes away at once what it has read.
  if (world.trouble !== "clock")
    for (const facts of stored.keys())
      world.blame(`is stored, and nobody wrote it: ${facts}`);
}

interface StoredCommand {
  event_type: string;
  seq: number;
  pid?: number;
  shell_started_us?: number;
  timestamp: string;
  cwd: string | null;
  text?: string | null;
  mark?: string | null;
  exit_code?: number | null;
  pipe_status?: number[] | null;
}

function factsOfEvent(session_id: string, event: StoredCommand): string {
  const { seq, pid, shell_started_us = null, timestamp, cwd } = event;
  const at_ms = Date.parse(timestamp);
  const common = [session_id, pid, shell_started_us, seq, at_ms, cwd ?? ""];
  return JSON.stringify(
    event.event_type === "command_start"
      ? ["s", ...common, event.mark ?? "", event.text ?? ""]
      : ["e", ...common, event.exit_code, event.pipe_status ?? []],
  );
}

function factsOfLine(line: TypedLine): string {
  const { kind, session_id, pid, began, seq, at_us, cwd } = line;
  const at_ms = Math.floor(at_us / 1_000);
  const { mark, text, status, statuses } = line;
  return JSON.stringify([
    ...[kind, session_id, pid, began, seq, at_ms, cwd],
    ...(kind === "s" ? [mark, text] : [status, statuses]),
  ]);
}

/**
 * Where nothing is wrong, all is there that had its prompt after it: in the order in
 * which it was typed, and with its status.
 */
function checkWritten(
  world: World,
  typed: readonly TypedCommand[],
  lines: readonly TypedLine[],
): void {
  const done = typed.filter((command) => command.done);
  world.count("commands typed", done.length);
  if (world.trouble !== "none" || world.counts["spool moved away"]) return;
  const ends = endsOf(lines);
  const starts = lines
    .filter(({ kind }) => kind === "s")
    .sort((a, b) => a.at_us - b.at_us);
  for (const { text, secret, status } of done) {
    const at = starts.findIndex((start) =>
      secret ? start.mark !== "" : start.text === text,
    );
    if (at < 0) {
      world.blame(
        `typed, and not written there: ${secret ? "a secret" : text}`,
      );
      continue;
    }
    const end = ends.get(keyOf(starts[at]!));
    if (status !== null && end?.status !== status)
      world.blame(`ended with ${status}, and is ${end?.status}: ${text}`);
    starts.splice(0, at + 1);
  }
}

const endsOf = (lines: readonly TypedLine[]) =>
  new Map(
    lines
      .filter(({ kind }) => kind === "e")
      .map((end) => [keyOf(end), end] as const),
  );

interface Shown {
  end_time: string | null;
  commands: Command[];
}

/** With nobody left: a session shows what its shells wrote, and none runs any more. */
export async function checkShown(
  world: World,
  { typists }: Actors,
): Promise<void> {
  const shown = typists.filter(({ session_id }) => session_id).slice(0, 2);
  for (const { session_id } of shown) {
    const args = ["show-session", "--json", session_id!];
    const reader = world.spawn("reader", args);
    await reader.end();
    // What a full disk took from it never came to be.
    if (reader.child.exitCode !== 0) continue;
    const session = JSON.parse(reader.stdout) as Shown;
    world.count("commands shown", session.commands.length);
    if (session.end_time === null)
      world.blame(`${session_id} is shown without an end`);
    const lines = linesIn(world.kept, new Set([session_id!]));
    // A clock that goes back in time changes their order, and whose end is whose.
    if (world.trouble === "clock") checkAllOver(world, session);
    else checkCommands(world, session, lines);
  }
}

function checkAllOver(world: World, { commands }: Shown): void {
  for (const { text, end_time } of commands)
    if (end_time === null) world.blame(`still runs: ${text}`);
}

function checkCommands(
  world: World,
  { end_time: over, commands }: Shown,
  lines: readonly TypedLine[],
): void {
  const ends = endsOf(lines);
  const wanted = Map.groupBy(
    lines.filter(({ kind }) => kind === "s"),
    ({ pid }) => pid,
  );
  const have = Map.groupBy(
    // What others left in the midst of it says no pid.
    commands.filter(({ pid }) => pid !== null),
    ({ pid }) => pid!,
  );
  for (const pid of new Set([...wanted.keys(), ...have.keys()])) {
    const expected = (wanted.get(pid) ?? []).map((start) => {
      const end = ends.get(keyOf(start));
      const at = (us: number) => new Date(Math.floor(us / 1_000)).toISOString();
      // A shell inside may outlive the one that was killed.
      const closed = [over ?? "", at(start.at_us)].sort().at(-1);
      return JSON.stringify([
        ...[start.seq, at(start.at_us), start.mark, start.text],
        ...(end
          ? [at(end.at_us), end.status, end.statuses]
          : [closed, null, []]),
      ]);
    });
    const found = (have.get(pid) ?? []).map((command) =>
      JSON.stringify([
        ...[command.seq, command.start_time],
        ...[command.mark ?? "", command.text ?? ""],
        ...[command.end_time, command.exit_code, command.pipe_status ?? []],
      ]),
    );
    // Where the spool was moved about, a shell has two files.
    if (world.counts["spool moved away"]) (expected.sort(), found.sort());
    if (!Bun.deepEquals(expected, found))
      world.blame(
        `${lines[0]?.session_id} is shown as\n    ${found.join("\n    ")}\n  and was written as\n    ${expected.join("\n    ")}`,
      );
  }
}

function checkSecrets(world: World): void {
  const { secrets, sandbox, far, kept } = world;
  world.count("secrets typed", secrets.length);
  if (secrets.length === 0) return;
  const any = new RegExp(secrets.join("|"));
  for (const folder of [
    ...[world.seenFromHere(sandbox.data), kept],
    ...(far ? [far.data] : []),
    ...[...world.wrapped].map(memoryFolderOf),
  ])
    for (const path of filesBelow(folder))
      if (any.test(readFileSync(path, "latin1")))
        world.blame(`a secret stands in ${path}`);
}

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));
  } catch {
    // It is not there, as it should be of those in memory.
    return [];
  }
}
