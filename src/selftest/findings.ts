/** What the steps of a self-test find out for those after them. */
import type { Found } from "./step.ts";
import type { Terminal } from "./terminal.ts";

/** Of a session's JSON, what is looked at. */
export interface Recorded {
  session_id: string;
  session_type: string;
  component_name: string;
  status: string;
  start_time: string | null;
  end_time: string | null;
  duration_seconds: number | null;
  exit_code: number | null;
  metadata: Record<string, unknown>;
  commands?: { text: string | null }[];
}

/** What the steps tell each other. */
export interface Findings {
  /** The shell that is wrapped. */
  shell: Found<string>;
  /** The server's address, and a token for it. */
  server: Found<{ url: string; token: string }>;
  terminal: Found<Terminal>;
  /** The id on the banner. */
  session_id: Found<string>;
  /** The session's row while it runs, and when it has ended. */
  active: Found<Recorded>;
  ended: Found<Recorded>;
}
