/** A database's file while it is open: one instance of it, whose checkpoints are ours. */
import { closeSync, existsSync, openSync } from "node:fs";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { libc } from "../../os/libc.ts";
import { checkpoint, mendCheckpoint } from "./checkpoint.ts";
import { OPTIONS } from "./connection.ts";

export class OpenFile {
  private closed = false;

  private constructor(
    private readonly path: string,
    readonly instance: DuckDBInstance,
    readonly writer: DuckDBConnection,
    /** Of the file, to read it by. */
    private readonly fd: number,
  ) {}

  /** Opens a file, or makes it. */
  static async open(path: string): Promise<OpenFile> {
    // Without locks another process may have it open.
    if (libc && existsSync(path)) mendCheckpoint(path);
    const instance = await DuckDBInstance.create(path, {
      ...OPTIONS,
      // DuckDB makes none by itself, neither at a commit nor at the end.
      wal_autocheckpoint: "1TB",
    });
    let writer: DuckDBConnection | null = null;
    try {
      writer = await instance.connect();
      await writer.run("PRAGMA disable_checkpoint_on_shutdown");
      return new OpenFile(path, instance, writer, openSync(path, "r"));
    } catch (error) {
      writer?.closeSync();
      instance.closeSync();
      throw error;
    }
  }

  /** Moves the write-ahead log into the file. */
  moveLog(): Promise<void> {
    return checkpoint(this.path, this.fd, this.writer);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.writer.closeSync();
    this.instance.closeSync();
    // Not before: to close any descriptor of a file lets go of DuckDB's lock on it (fcntl(2)).
    closeSync(this.fd);
  }
}
