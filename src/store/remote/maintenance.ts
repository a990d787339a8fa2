/** Maintenance by the server that has the database, over its socket, which no MCP client reaches. */
import { existsSync } from "node:fs";
import type { Brought, Imported } from "../../model/export.ts";
import {
  EXIT_STATUS,
  Failure,
  type FailureCode,
  fail,
  fetchReason,
} from "../../model/failure.ts";
import type {
  Archive,
  ArchivePlan,
  ArchiveRequest,
  Archived,
  Backup,
  Maintenance,
  Removed,
} from "../../model/maintenance.ts";
import type { RemovalRequest } from "../../model/redaction/removal.ts";
import { Task, type TaskState } from "../../model/progress.ts";
import { DIRECT } from "./client.ts";
import { type LocalServer, Watchdog } from "./unresponsive.ts";

/** What is posted to /admin: the name of a method, and its arguments. */
export type MaintenanceCall =
  | { command: "backup"; file: string; force: boolean }
  | { command: "plan"; request: ArchiveRequest }
  | { command: "archive"; request: ArchiveRequest; folder: string }
  | { command: "archived"; reference: string }
  | { command: "remove_texts"; removal: RemovalRequest }
  | { command: "bring"; events: readonly Brought[] }
  | { command: "end"; session_ids: readonly string[] }
  | { command: "drain" }
  | { command: "progress"; name: string }
  | { command: "dashboard" }
  | { command: "stop" };

/** The tasks of what takes long, and how often it is asked how far they are. */
const LONG: Readonly<Record<string, string>> = {
  backup: "backup",
  archive: "archive",
  plan: "archive",
  remove_texts: "redact",
  drain: "drain",
};
const ASK_MS = 500;

/** Work of the server, as a task of ours. */
class Followed implements Disposable {
  private readonly task: Task;
  private readonly timer: Timer;
  private over = false;
  private asking = false;

  constructor(name: string, server: RemoteMaintenance) {
    this.task = new Task(name);
    this.timer = setInterval(() => void this.ask(server), ASK_MS);
  }

  private async ask(server: RemoteMaintenance): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    try {
      const found = await server.progress(this.task.name);
      if (found && !this.over) this.task.at(found.step, found.fraction);
    } catch {
      // An older one does not know the question, or it has just gone, which the
      // work itself will say.
      clearInterval(this.timer);
    } finally {
      this.asking = false;
    }
  }

  [Symbol.dispose](): void {
    this.over = true;
    clearInterval(this.timer);
    this.task[Symbol.dispose]();
  }
}

export class RemoteMaintenance implements Maintenance {
  constructor(private readonly server: LocalServer) {}

  async backup(file: string, force: boolean): Promise<Backup> {
    const done = await this.call({ command: "backup", file, force });
    requireSeen(file);
    return done as Backup;
  }

  async plan(request: ArchiveRequest): Promise<ArchivePlan> {
    return (await this.call({ command: "plan", request })) as ArchivePlan;
  }

  async archive(request: ArchiveRequest, folder: string): Promise<Archive> {
    const call = { command: "archive", request, folder } as const;
    // An older one knows of no recordings.
    const none = { recordings: { files: 0, bytes: 0 } };
    const done = { ...none, ...(await this.call(call)) } as Archive;
    if (done.folder !== null) requireSeen(done.folder);
    return done;
  }

  async archived(reference: string): Promise<Archived[]> {
    const found = await this.call({ command: "archived", reference });
    return (found as { archived: Archived[] }).archived;
  }

  async removeTexts(removal: RemovalRequest): Promise<Removed | null> {
    const done = await this.call({ command: "remove_texts", removal });
    return (done as { removed: Removed | null }).removed;
  }

  /** Brings events of an export. */
  async bring(events: readonly Brought[]): Promise<Imported> {
    return (await this.call({ command: "bring", events })) as Imported;
  }

  /** Ends those that ran when the export was made; see endImported. */
  async endImported(session_ids: readonly string[]): Promise<number> {
    const done = await this.call({ command: "end", session_ids });
    return (done as { lost: number }).lost;
  }

  /**
   * Has the server drain its spool.
   * @returns why it could not; null when it has
   */
  async drain(): Promise<string | null> {
    const done = await this.call({ command: "drain" });
    return (done as { not_drained: string | null }).not_drained;
  }

  /** Has the server serve the dashboard. @returns a code that lets one page in, once */
  async invite(): Promise<string> {
    const done = await this.call({ command: "dashboard" });
    return (done as { code: string }).code;
  }

  /** How far it is with work of that name; null when it does none. */
  async progress(name: string): Promise<TaskState | null> {
    const found = await this.call({ command: "progress", name });
    return (found as { progress: TaskState | null }).progress;
  }

  private async call(call: MaintenanceCall): Promise<object> {
    let status: number;
    let answer: { error?: { code: string; message: string } };
    using watchdog = new Watchdog(this.server);
    const long = LONG[call.command];
    using _ = long === undefined ? null : new Followed(long, this);
    try {
      const response = await fetch("http://localhost/admin", {
        ...posted(call, this.server.socket),
        signal: watchdog.signal,
        // Millions of sessions take long.
        timeout: false,
      } as RequestInit);
      status = response.status;
      answer = (await response.json()) as typeof answer;
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw fail.unreachable(
        `the server went away: ${fetchReason(error)}`,
        "nothing was lost; see: session-buddy mcp status, then try again",
        { cause: error },
      );
    }
    if (status === 404 && answer.error?.code === "not_found")
      throw fail.refused(
        "the server that runs is older than this command",
        "try: session-buddy mcp restart",
      );
    if (answer.error) throw failureOf(answer.error);
    return answer;
  }
}

/**
 * Asks a server to stop.
 * @returns false when it does not agree in time
 */
export async function askToStop(
  socket: string,
  timeout_ms: number,
): Promise<boolean> {
  try {
    const response = await fetch("http://localhost/admin", {
      ...posted({ command: "stop" }, socket),
      signal: AbortSignal.timeout(timeout_ms),
    });
    return ((await response.json()) as { stopping?: true }).stopping === true;
  } catch {
    // It hangs, is gone, or does not know the call: a signal follows.
    return false;
  }
}

const posted = (call: MaintenanceCall, socket: string): RequestInit =>
  ({
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(call),
    unix: socket,
    ...DIRECT,
  }) as RequestInit;

function failureOf({ code, message }: { code: string; message: string }) {
  const known = Object.hasOwn(EXIT_STATUS, code);
  return new Failure(known ? (code as FailureCode) : "storage", message);
}

/** A server in another mount namespace may write to another folder. */
function requireSeen(path: string): void {
  if (existsSync(path)) return;
  throw fail.storage(
    `the server has written '${path}', but it sees another one there than we do`,
    "give a place that both see (systemd's PrivateTmp hides /tmp)",
  );
}
