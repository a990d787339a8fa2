/** Backup, archive, import, drain and stop for our own commands, over the socket alone. */
import { isAbsolute } from "node:path";
import type { Brought, Imported } from "../../model/export.ts";
import { fail } from "../../model/failure.ts";
import type { ArchiveRequest, Maintenance } from "../../model/maintenance.ts";
import type { RemovalRequest } from "../../model/redaction/removal.ts";
import { stateOf } from "../../model/progress.ts";
import type { MaintenanceCall } from "../../store/remote/maintenance.ts";
import type { Message } from "../mcp/json-rpc.ts";

/** What a server lets be done with its database. */
export interface Maintained {
  maintenance(): Promise<Maintenance>;
  /** @returns why the spool was not drained; null when it was */
  drainNow(): Promise<string | null>;
  imports: {
    /** Takes events of an export in. */
    bring(events: readonly unknown[]): Promise<Imported>;
    /** Ends sessions that ran when an export was made; @returns how many */
    end(session_ids: readonly string[]): Promise<number>;
  };
}

/** What else a server lets be done with it. */
interface Managed {
  /** Ends it, and hears why. */
  stop: (why: string) => void;
  /** Serves the dashboard, and makes a code for its page. */
  invite: () => { code: string };
}

/**
 * @param message a MaintenanceCall, if it is one
 * @throws Failure (refused) when it is none
 */
export async function administer(
  message: Message,
  database: Maintained,
  { stop, invite }: Managed,
): Promise<object> {
  const call = callOf(message);
  if (call.command === "dashboard") return invite();
  if (call.command === "stop") {
    stop("mcp stop");
    return { stopping: true };
  }
  if (call.command === "drain")
    return { not_drained: await database.drainNow() };
  if (call.command === "bring") return database.imports.bring(call.events);
  if (call.command === "end")
    return { lost: await database.imports.end(call.session_ids) };
  if (call.command === "progress") return { progress: stateOf(call.name) };
  const maintenance = await database.maintenance();
  switch (call.command) {
    case "backup":
      return maintenance.backup(call.file, call.force);
    case "plan":
      return maintenance.plan(call.request);
    case "archive":
      return maintenance.archive(call.request, call.folder);
    case "remove_texts":
      return { removed: await maintenance.removeTexts(call.removal) };
    case "archived":
      return { archived: await maintenance.archived(call.reference) };
  }
}

function callOf(message: Message): MaintenanceCall {
  const { command, file, force, folder, reference, name } = message;
  if (command === "progress" && typeof name === "string")
    return { command, name };
  if (command === "backup" && isPath(file) && typeof force === "boolean")
    return { command, file, force };
  if (command === "archived" && typeof reference === "string")
    return { command, reference };
  if (command === "remove_texts")
    return { command, removal: removalOf(message) };
  const { events, session_ids } = message;
  if (command === "bring" && isList(events, "object"))
    return { command, events: events as Brought[] };
  if (command === "end" && isList(session_ids, "string"))
    return { command, session_ids: session_ids as string[] };
  if (command === "stop" || command === "drain" || command === "dashboard")
    return { command };
  if (command === "plan") return { command, request: requestOf(message) };
  if (command === "archive" && isPath(folder))
    return { command, request: requestOf(message), folder };
  throw unknownCall();
}

const isList = (value: unknown, type: string): value is unknown[] =>
  Array.isArray(value) && value.every((each) => typeof each === type);

const isPath = (value: unknown): value is string =>
  typeof value === "string" && isAbsolute(value) && !value.includes("\0");

function requestOf({ request }: Message): ArchiveRequest {
  const { ended_before, keep_tagged } = (request ?? {}) as Message;
  if (typeof ended_before !== "string" || typeof keep_tagged !== "boolean")
    throw unknownCall();
  if (Number.isNaN(Date.parse(ended_before))) throw unknownCall();
  return { ended_before, keep_tagged };
}

function removalOf({ removal }: Message): RemovalRequest {
  const { session_id, event_ids, user, recording } = (removal ?? {}) as Message;
  if (typeof session_id !== "string" || typeof user !== "string")
    throw unknownCall();
  const of = {
    session_id,
    user,
    ...(recording === true && ({ recording: true } as const)),
  };
  if (event_ids === null) return { ...of, event_ids };
  if (
    !Array.isArray(event_ids) ||
    event_ids.some((id) => typeof id !== "string")
  )
    throw unknownCall();
  return { ...of, event_ids: event_ids as string[] };
}

const unknownCall = () =>
  fail.refused(
    "the server does not know that call",
    "try: session-buddy mcp restart",
  );
