/**
 * Logs to an OpenTelemetry collector: OTLP over HTTP, as JSON. Its answer says what it
 * has taken; what it says is wrong with a batch is looked for in ever smaller parts.
 */
import { hostname } from "node:os";
import type { OtlpDestination } from "../config/destinations.ts";
import type { Json } from "../model/event.ts";
import { errnoOf, reasonOf } from "../model/failure.ts";
import { readTrusted } from "../os/trust.ts";
import { VERSION } from "../version.ts";
import {
  type Destination,
  Later,
  type Outgoing,
  Refused,
  type Took,
} from "./destination.ts";
import { isWarning, sentenceOf } from "./line.ts";

const WARN = { severityNumber: 13, severityText: "WARN" };
const INFO = { severityNumber: 9, severityText: "INFO" };
/** What it cannot take, whatever is tried; all else may be mended there. */
const UNTAKABLE: ReadonlySet<number> = new Set([400, 413, 422]);
const MOST_ANSWER = 64 * 1024;
const MOST_SAID = 200;

export class Otlp implements Destination {
  constructor(private readonly settings: OtlpDestination) {}

  async deliver(
    events: readonly Outgoing[],
    signal: AbortSignal,
    took: Took,
  ): Promise<void> {
    let taken = 0;
    let size = events.length;
    while (taken < events.length) {
      const part = events.slice(taken, taken + size);
      const { status, said, retry_after_ms } = await this.post(part, signal);
      if (status >= 200 && status < 300) {
        taken += part.length;
        took(taken, rejectedIn(said));
        continue;
      }
      const reason = `it answers ${status}${said && `: ${said.slice(0, MOST_SAID)}`}`;
      if (!UNTAKABLE.has(status))
        throw retry_after_ms === null
          ? new Error(reason)
          : new Later(reason, retry_after_ms);
      if (part.length === 1) throw new Refused(reason);
      size = Math.ceil(part.length / 2);
    }
  }

  close(): void {}

  private async post(events: readonly Outgoing[], signal: AbortSignal) {
    const { url, token_file, ca } = this.settings;
    const token = token_file && textOf(token_file).trim();
    const asked = fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(requestOf(events)),
      redirect: "error",
      signal,
      ...(ca !== null && { tls: { ca: await Bun.file(ca).text() } }),
      // A proxy would read a plain connection.
      ...(url.startsWith("http:") && { proxy: false as unknown as string }),
    });
    const response = await asked.catch((error: unknown) => {
      // Without the runtime's advice to programmers.
      const why = errnoOf(error) ?? reasonOf(error);
      throw new Error(`'${url}' cannot be reached: ${why}`, { cause: error });
    });
    const said = (await bounded(response)).trim();
    const seconds = Number(response.headers.get("retry-after") ?? NaN);
    const retry_after_ms = seconds > 0 ? seconds * 1_000 : null;
    return { status: response.status, said, retry_after_ms };
  }
}

const textOf = (path: string) => new TextDecoder().decode(readTrusted(path));

/** Enough of an answer: anybody may answer. */
async function bounded(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  if (response.body)
    for await (const bytes of response.body) {
      text += decoder.decode(bytes as Uint8Array, { stream: true });
      if (text.length > MOST_ANSWER) break;
    }
  return text;
}

/** What a partial success says; nothing of a whole one. */
function rejectedIn(said: string) {
  try {
    const { partialSuccess } = JSON.parse(said) as {
      partialSuccess?: { rejectedLogRecords?: unknown; errorMessage?: unknown };
    };
    const events = Number(partialSuccess?.rejectedLogRecords ?? 0);
    if (!(events > 0)) return undefined;
    const reason = String(partialSuccess?.errorMessage ?? "").slice(
      0,
      MOST_SAID,
    );
    return { events, reason };
  } catch {
    // Taken is taken, whatever is said of it.
    return undefined;
  }
}

/** `ExportLogsServiceRequest` in its JSON form. */
const requestOf = (events: readonly Outgoing[]) => ({
  resourceLogs: [
    {
      resource: {
        attributes: attributesOf({
          "service.name": "session-buddy",
          "service.version": VERSION,
          "host.name": hostname(),
        }),
      },
      scopeLogs: [
        {
          scope: { name: "session-buddy", version: VERSION },
          logRecords: events.map(recordOf),
        },
      ],
    },
  ],
});

function recordOf({ event, seq, received_at, provenance }: Outgoing) {
  const { event_id, event_type, session_id, timestamp } = event;
  return {
    timeUnixNano: nanoseconds(timestamp),
    observedTimeUnixNano: nanoseconds(received_at),
    ...(isWarning(event) ? WARN : INFO),
    eventName: `session_buddy.${event_type}`,
    body: { stringValue: sentenceOf(event) },
    attributes: [
      ...attributesOf({
        "log.record.uid": event_id,
        "session.id": session_id,
        "session_buddy.seq": seq,
        "session_buddy.reporter": provenance?.reporter ?? null,
      }),
      // As it is: what is known of it in any version.
      {
        key: "session_buddy.event",
        value: valueOf(event as unknown as Json),
      },
    ],
  };
}

const nanoseconds = (iso: string) => `${Date.parse(iso)}000000`;

const attributesOf = (values: Record<string, Json>) =>
  Object.entries(values)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => ({ key, value: valueOf(value) }));

/** An `AnyValue`; null is one that has nothing. */
function valueOf(value: Json): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number")
    return Number.isSafeInteger(value)
      ? { intValue: String(value) }
      : { doubleValue: value };
  if (value === null) return {};
  if (Array.isArray(value))
    return { arrayValue: { values: value.map(valueOf) } };
  const values = Object.entries(value).map(([key, value]) => ({
    ...{ key, value: valueOf(value) },
  }));
  return { kvlistValue: { values } };
}
