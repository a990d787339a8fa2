/**
 * Which command this process runs, for a server that is asked on its behalf. Told once,
 * by the tree of commands; the wrapper asks no server.
 */

/** The header that names it; believed over the socket alone. */
export const COMMAND_HEADER = "x-session-buddy-command";

let running: string | null = null;

export const nowRunning = (command: string): void => void (running = command);

/** By its full name: `list-sessions`, `mcp stdio`. */
export const runningCommand = (): string | null => running;

/** Null for what is no command's name. */
export const commandNamed = (name: string | null): string | null =>
  name !== null && /^[a-z]+(?:[ -][a-z]+)*$/.test(name) ? name : null;
