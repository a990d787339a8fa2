/** What alerts say, on one line that acts on no terminal. */
import { hostname } from "node:os";
import type { Alert, AlertSession, KeptAlert } from "../model/alert.ts";
import type { Session } from "../model/columns.ts";
import { escapeText } from "../render/escape.ts";

const MAX_TEXT = 300;

/** Escaped, and cut to what a line has room for. */
export function sentence(text: string): string {
  const whole = escapeText(text);
  return whole.length > MAX_TEXT ? `${whole.slice(0, MAX_TEXT)}…` : whole;
}

/** The session by its user, host, component, and the end of its id. */
export const nameOf = (session: AlertSession): string =>
  `${session.component_name} of ${session.username}@${session.hostname} (${session.session_id.slice(-8)})`;

/** What an alert says of a session. */
export const alertSession = (session: Session): AlertSession => ({
  session_id: session.session_id,
  session_type: session.session_type,
  component_name: session.component_name,
  username: session.username,
  hostname: session.hostname,
  tty: session.tty,
  working_directory: session.working_directory,
  start_time: session.start_time,
  name: session.name,
  reporter: session.reporter,
  attested: session.attested,
});

/**
 * Where several servers look at their own hosts: which one it is about.
 * @param key tells it from the others of its rule
 */
export function ofThisHost(
  key: string,
  { text, session, details }: Pick<Alert, "text" | "session" | "details">,
) {
  const host = hostname();
  return {
    key: `${host} ${key}`,
    found: {
      text: `${host}: ${text}`,
      session,
      details: { ...details, host },
    },
  };
}

/** As it is told: without what is kept of the telling. */
export const toldJson = ({
  seq: _,
  told: _t,
  acked: _a,
  resolved: _r,
  ...alert
}: KeptAlert): Alert => alert;

/** The same without what somebody typed or said in its session. */
export function withoutTexts<A extends Alert>(alert: A): A {
  const { session, details } = alert;
  const who = session ? nameOf(session) : "a session";
  const { command, ...rest } = details;
  return {
    ...alert,
    ...(command !== undefined && {
      text: sentence(`${who} ran a command that the rule is about`),
      details: rest,
    }),
    session: session && { ...session, name: null },
  };
}

/** Whether an alert holds texts of a session, or of some of its events alone. */
export function isAboutTexts(
  { session, details }: Alert,
  session_id: string,
  event_ids: readonly string[] | null,
): boolean {
  if ((session?.session_id ?? details["session_id"]) !== session_id)
    return false;
  const own = [details["event_id"], details["command_event_id"]];
  return event_ids?.some((id) => own.includes(id)) ?? true;
}
