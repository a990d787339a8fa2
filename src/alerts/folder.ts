/**
 * Keeps alerts as files beside the database, so that none of it is written with an
 * event: `ID.json` is the server's, `ID.ack` whoever takes note of it, `state.json`
 * how far the server has looked. Each file has one writer, and is replaced whole.
 */
import { rmSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { type Settings, statePaths } from "../config/load.ts";
import type { KeptAlert } from "../model/alert.ts";
import { errnoOf, fail, reasonOf } from "../model/failure.ts";
import {
  O_CREAT,
  O_NOFOLLOW,
  O_TRUNC,
  O_WRONLY,
  isMissing,
  namesIn,
  readText,
} from "../os/file.ts";
import { ensurePrivateDir } from "../os/paths.ts";
import { trustedPath } from "../os/trust.ts";
import { isAboutTexts, withoutTexts } from "./words.ts";

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const MAX_FILE_BYTES = 256 * 1024;
const MAX_STATE_BYTES = 64 * 1024 * 1024;
const STATE = "state.json";

type Ack = NonNullable<KeptAlert["acked"]>;

export class AlertFolder {
  /** Writes are made one after the other. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(readonly path: string) {}

  /** Of the server of these settings. */
  static of(settings: Settings): AlertFolder {
    return new AlertFolder(`${statePaths(settings).folder}/alerts`);
  }

  /** @throws Failure (permission, storage) */
  make(): void {
    ensurePrivateDir(this.path);
  }

  /**
   * The alerts, oldest first.
   * @param unreadable is told of files that hold none
   * @throws Failure (permission) where others rule
   */
  read(unreadable: (name: string, reason: string) => void): KeptAlert[] {
    if (isMissing(this.path)) return [];
    trustedPath(this.path, "leaf");
    const alerts: KeptAlert[] = [];
    for (const name of namesIn(this.path)) {
      const id = name.replace(/\.json$/, "");
      if (!ID.test(id)) continue;
      try {
        const alert = alertIn(JSON.parse(this.text(name)));
        alerts.push({ ...alert, id, acked: this.ackOf(id) });
      } catch (error) {
        // One that was removed meanwhile.
        if (errnoOf(error) !== "ENOENT") unreadable(name, reasonOf(error));
      }
    }
    return alerts.sort((a, b) => a.seq - b.seq);
  }

  /** Resolves once it is on the disk. */
  save({ acked: _, ...alert }: KeptAlert): Promise<void> {
    return this.write(`${alert.id}.json`, JSON.stringify(alert));
  }

  /** @returns null where there is none that can be read */
  readState(): unknown {
    try {
      return JSON.parse(readText(`${this.path}/${STATE}`, MAX_STATE_BYTES));
    } catch {
      return null;
    }
  }

  /** @param json what `readState` reads */
  saveState(json: string): Promise<void> {
    return this.write(STATE, json);
  }

  /** Takes note of an alert. */
  ack(id: string, ack: Ack): Promise<void> {
    return this.write(`${id}.ack`, JSON.stringify(ack));
  }

  /**
   * The alerts that have texts of a session.
   * @param event_ids null: any of the session
   * @throws Failure (storage) where one cannot be read
   */
  withTexts(
    session_id: string,
    event_ids: readonly string[] | null,
  ): KeptAlert[] {
    const unreadable = (name: string, reason: string) => {
      throw fail.storage(
        `'${this.path}/${name}' holds no alert: ${reason}`,
        "remove it",
      );
    };
    return this.read(unreadable).filter(
      (alert) =>
        isAboutTexts(alert, session_id, event_ids) &&
        !Bun.deepEquals(withoutTexts(alert), alert),
    );
  }

  /**
   * Removes texts of a session from what is kept; a server that runs forgets them
   * once it learns of it from the database.
   * @param event_ids null: all of the session
   */
  async removeTexts(
    session_id: string,
    event_ids: readonly string[] | null,
  ): Promise<void> {
    for (const alert of this.withTexts(session_id, event_ids))
      await this.save(withoutTexts(alert));
  }

  remove(id: string): void {
    for (const end of ["json", "ack"])
      rmSync(`${this.path}/${id}.${end}`, { force: true });
  }

  /** Resolves once nothing is being written any more. */
  async settled(): Promise<void> {
    await this.last;
  }

  private ackOf(id: string): Ack | null {
    try {
      return JSON.parse(this.text(`${id}.ack`)) as Ack;
    } catch {
      return null;
    }
  }

  private text(name: string): string {
    return readText(`${this.path}/${name}`, MAX_FILE_BYTES);
  }

  private write(name: string, text: string): Promise<void> {
    const written = this.last.then(() => this.replace(name, text));
    this.last = written.catch(() => {});
    return written;
  }

  private async replace(name: string, text: string): Promise<void> {
    const path = `${this.path}/${name}`;
    const made = `${this.path}/.${name}.${process.pid}`;
    const flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
    const file = await open(made, flags, 0o600);
    try {
      await file.writeFile(text);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(made, path);
  }
}

/** @throws Error for what a damaged disk has made of one */
function alertIn(read: unknown): KeptAlert {
  const { seq, time, text, rule, details, told } = (read ??
    {}) as Partial<KeptAlert>;
  const texts = [time, text, rule].every((value) => typeof value === "string");
  const objects = [details, told].every((v) => typeof v === "object" && v);
  if (texts && objects && Number.isInteger(seq)) return read as KeptAlert;
  throw new Error("it is no alert");
}
