/**
 * Programs that a test needs and a machine may lack: required where CI says
 * so, named on stderr elsewhere.
 */

/**
 * Whether all the programs are there; a test without them returns.
 * @throws Error naming the missing, when SESSION_BUDDY_REQUIRE_TOOLS=1
 */
export function needs(...programs: string[]): boolean {
  const missing = programs.filter((name) => Bun.which(name) === null);
  if (missing.length === 0) return true;
  const sentence = `not installed: ${missing.join(", ")}`;
  if (process.env["SESSION_BUDDY_REQUIRE_TOOLS"] === "1")
    throw new Error(sentence);
  console.error(`not tested, ${sentence}`);
  return false;
}
