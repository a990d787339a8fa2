/** Events for a person: the columns of their table, and what each says in a few words. */
import { type Annotation, type Event, isKnown } from "../model/event.ts";
import { plainJson } from "../model/json.ts";
import { reporterOf } from "../model/reporter.ts";
import type { StoredEvent } from "../model/store.ts";
import { localTime } from "./format.ts";
import type { Column } from "./table.ts";

export const EVENT_COLUMNS: readonly Column<StoredEvent>[] = [
  { header: "SEQ", value: ({ seq }) => String(seq), drop: 1 },
  {
    header: "TIME",
    value: ({ event }, zone) => localTime(event.timestamp, zone),
  },
  {
    header: "SESSION ID",
    value: ({ event }) => event.session_id,
    shrink: "id",
    drop: 3,
  },
  {
    header: "REPORTER",
    value: ({ provenance }) => reporterOf(provenance) ?? "-",
    shrink: "name",
    drop: 2,
  },
  { header: "EVENT", value: ({ event }) => event.event_type },
  { header: "WHAT", value: ({ event }) => summaryOf(event), text: true },
];

/** What an event says, in a few words, not yet escaped. */
export function summaryOf(event: Event): string {
  if (!isKnown(event)) return "-";
  switch (event.event_type) {
    case "session_start": {
      const { component_name, user, hostname } = event;
      return `${component_name} ${user.username}@${hostname}`;
    }
    case "process":
      return `pid ${event.pid}`;
    case "command_start":
      return event.text ?? `(${event.mark ?? "-"})`;
    case "command_end":
      return `exit ${event.exit_code ?? "-"}`;
    case "annotation":
      return annotationText(event);
    case "session_end": {
      const { signal, exit_code, end_source } = event;
      return `${end_source}, ${signal ?? `exit ${exit_code ?? "-"}`}`;
    }
    case "redaction":
      return `${event.of ?? (event.recording ? "recording" : "texts")} removed, ${event.redacted_by?.join(", ") ?? "-"}`;
    case "watch_start":
      return `by ${event.watcher}${event.address ? ` from ${event.address}` : ""}`;
    case "watch_end":
      return "-";
    case "heartbeat":
      return "-";
  }
}

function annotationText(event: Annotation): string {
  const { name, note, add_tags = [], remove_tags = [] } = event;
  const keys = Object.keys({ ...event.metadata, ...event.measured });
  return [
    keys.join(", "),
    name && `name ${name}`,
    [
      ...add_tags.map((tag) => `+${tag}`),
      ...remove_tags.map((tag) => `-${tag}`),
    ].join(" "),
    note,
  ]
    .filter(Boolean)
    .join("; ");
}

/** As `list_events` has it, on a line. */
export const eventLine = (stored: StoredEvent): string =>
  `${plainJson(stored)}\n`;
