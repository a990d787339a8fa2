/**
 * The self-test: environment, server, a shell on a terminal, what was recorded of it,
 * a client over MCP, and the database, in the order in which they build on each other.
 */
import type { Failure } from "../model/failure.ts";
import { clientSteps, databaseSteps } from "./answers.ts";
import { environmentSteps } from "./environment.ts";
import type { Findings } from "./findings.ts";
import { recordSteps } from "./records.ts";
import { serverSteps } from "./server.ts";
import { shellSteps } from "./shell.ts";
import { Found, type Step } from "./step.ts";
import type { World } from "./world.ts";

/**
 * The phases in their order, by their names in the JSON.
 * @param broken what is wrong with the user's own configuration
 */
export function phases(
  world: World,
  broken: Failure | null,
): Record<string, Step[]> {
  const findings: Findings = {
    shell: new Found("shell_program"),
    server: new Found("server_running"),
    terminal: new Found("shell_starts"),
    session_id: new Found("banner"),
    active: new Found("session_in_database"),
    ended: new Found("end_time"),
  };
  const { recording, completion, metadata } = recordSteps(world, findings);
  return {
    environment_setup: environmentSteps(world, findings, broken),
    session_buddy_server: serverSteps(world, findings),
    shell_startup: shellSteps(world, findings),
    session_recording: recording,
    session_completion: completion,
    session_metadata: metadata,
    mcp_client: clientSteps(world, findings),
    database_verification: databaseSteps(world, findings),
  };
}
