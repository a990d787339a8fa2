/**
 * `session-buddy count-executables CACHE SPOOL`: counts for a wrapper while
 * its child runs. Internal: no help names it.
 */
import { closeFile, writeSome } from "../../os/file.ts";
import { countCommands } from "../../record/path-executables.ts";
import { countSpool, isCountOld } from "../../spool/quota.ts";

export async function countExecutables([
  cache = "",
  spool = "",
]: readonly string[]): Promise<number> {
  const count = countCommands(process.env["PATH"] ?? "", cache);
  writeSome(1, new TextEncoder().encode(`${count}\n`));
  // The wrapper has its answer, and does not wait for the rest.
  closeFile(1);
  if (isCountOld(spool, Date.now())) await countSpool(spool, Date.now);
  return 0;
}
