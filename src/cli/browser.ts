/**
 * Opens an address that lets somebody in, in the browser of the desktop. It goes there
 * by a private file: the arguments of a program are everybody's to read.
 */
import { writeFileSync, renameSync } from "node:fs";

/**
 * @param address made by us: no character in it means anything to HTML but `&`
 * @param folder a private one; the file in it is replaced the next time
 * @returns false when there is nothing to open it by
 */
export function openInBrowser(address: string, folder: string): boolean {
  const opener = Bun.which("xdg-open");
  if (opener === null) return false;
  const file = `${folder}/dashboard.html`;
  const target = address.replaceAll("&", "&amp;");
  writeFileSync(
    `${file}.new`,
    `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=${target}"><title>Session-Buddy</title>\n`,
    { mode: 0o600 },
  );
  renameSync(`${file}.new`, file);
  const child = Bun.spawn([opener, file], {
    stdio: ["ignore", "ignore", "ignore"],
    detached: true,
  });
  child.unref();
  return true;
}
