/**
 * What terminals showed, line by line, for searches: written piece by piece between
 * commits, from recordings of sessions that have ended. Of each recording a row says
 * how far that is. Whoever removes the lines of a session removes its row in the same
 * transaction, and what is under way for it ends.
 */
import { listValue } from "@duckdb/node-api";
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { fail } from "../../model/failure.ts";
import type {
  OutputLines,
  SearchedLine,
  SearchedRecording,
} from "../../model/recording/searched.ts";
import type { Database } from "./database.ts";
import { MOST_BYTES, OUTGROWN, keptLines } from "../output-lines.ts";
import type { Removals } from "../removals.ts";
import { type ClosedRow, closedAmong } from "./session-tables.ts";
import { SQL } from "./statements.ts";

/** What others may need: a database that finds no room is given up. */
const ROOM_BYTES = 256 * 1024 * 1024;

interface Count {
  value: number;
}

export class FileOutputLines implements OutputLines {
  constructor(
    private readonly db: Database,
    private readonly removals: Removals,
    private readonly flush: () => Promise<unknown>,
    private readonly most_bytes = MOST_BYTES,
  ) {}

  async recordings(): Promise<SearchedRecording[]> {
    return this.db.inTurn(() => this.db.rows<SearchedRecording>(SQL.searched));
  }

  async ended(ids: readonly string[]): Promise<Map<string, string>> {
    if (ids.length === 0) return new Map();
    await this.flush();
    return this.endedAmong(ids);
  }

  private async endedAmong(
    ids: readonly string[],
  ): Promise<Map<string, string>> {
    const closed = await closedAmong(this.db.ask, ids);
    // There are those, too, whose id names another second than that of their start.
    const others = await this.db.ask<ClosedRow>(SQL.openEnds, [
      listValue([...ids]),
    ]);
    const rows = [...closed, ...others.filter((row) => row.end_source)];
    return new Map(rows.map(({ id, start_time }) => [id, start_time]));
  }

  begin(
    recording: SearchedRecording,
    goes_on: boolean,
  ): Promise<number | null> {
    const { session_id } = recording;
    return this.db.inTurn(async () => {
      if (goes_on) {
        const rows = await this.db.rows<Count>(SQL.lastLine, [session_id]);
        return rows[0]!.value;
      }
      // It may have been archived since it was asked for.
      if ((await this.endedAmong([session_id])).size === 0) return null;
      await this.db.transaction(async () => {
        await this.delete([session_id]);
        await this.tell(recording);
      });
      return 0;
    });
  }

  add(
    session_id: string,
    first: number,
    began_ms: number,
    lines: readonly SearchedLine[],
  ): Promise<boolean> {
    return this.db.inTurn(async () => {
      if (!(await this.isThere(session_id, false))) return false;
      const removals = this.removals.in(session_id);
      const kept = keptLines(lines, first, began_ms, removals);
      if (kept.length === 0) return true;
      const joined = (values: readonly number[]) => values.join(" ");
      await this.db.run(SQL.addOutput, [
        session_id,
        joined(kept.map(({ number }) => number)),
        joined(kept.map(({ moment }) => moment)),
        joined(kept.map(({ at_ms }) => at_ms)),
        kept.map(({ text }) => text).join("\n"),
      ]);
      return true;
    });
  }

  finish(recording: SearchedRecording): Promise<boolean> {
    return this.db.inTurn(async () => {
      const { session_id } = recording;
      if (!(await this.isThere(session_id, false))) return false;
      await this.replace(recording);
      await this.boundAll();
      return true;
    });
  }

  touched(recording: SearchedRecording): Promise<void> {
    return this.db.inTurn(async () => {
      if (await this.isThere(recording.session_id, true))
        await this.replace(recording);
    });
  }

  remove(ids: readonly string[]): Promise<void> {
    return this.db.inTurn(() => this.db.transaction(() => this.delete(ids)));
  }

  requireRoom(): void {
    const { path } = this.db;
    const { bavail, bsize } = statfsSync(dirname(path));
    if (bavail * bsize > ROOM_BYTES) return;
    throw fail.storage(
      `the disk of '${path}' has less than ${ROOM_BYTES / 1024 / 1024} MiB left`,
      "free space on it",
    );
  }

  /** As `remove`, in the transaction of whoever removes more of them. */
  async delete(ids: readonly string[]): Promise<void> {
    for (const sql of [SQL.deleteOutput, SQL.deleteSearched])
      await this.db.run(sql, [listValue([...ids])]);
  }

  private replace(recording: SearchedRecording): Promise<void> {
    return this.db.transaction(async () => {
      const ids = listValue([recording.session_id]);
      await this.db.run(SQL.deleteSearched, [ids]);
      await this.tell(recording);
    });
  }

  private async tell(recording: SearchedRecording): Promise<void> {
    const { session_id, began, bytes, changed, sha256 } = recording;
    const { lines, text_bytes, left_out, within_ms, done, version } = recording;
    await this.db.run(SQL.addSearched, [
      ...[session_id, began, bytes, changed, sha256],
      ...[lines, text_bytes, left_out, within_ms, done, version],
    ]);
  }

  /** Whether its lines were not removed since. */
  private async isThere(session_id: string, done: boolean): Promise<boolean> {
    const values = [session_id, done];
    const rows = await this.db.rows<Count>(SQL.searchedLike, values);
    return rows[0]!.value > 0;
  }

  private async boundAll(): Promise<void> {
    const over = await this.db.rows<{ id: string }>(SQL.outgrown, [
      this.most_bytes,
    ]);
    if (over.length === 0) return;
    const all = await this.db.rows<SearchedRecording>(SQL.searched, []);
    const ids = over.map(({ id }) => id);
    await this.db.transaction(async () => {
      await this.delete(ids);
      for (const recording of all)
        if (ids.includes(recording.session_id))
          await this.tell({
            ...{ ...recording, lines: 0, text_bytes: 0, left_out: OUTGROWN },
          });
    });
  }
}
