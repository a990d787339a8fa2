/**
 * Copies what a server keeps beside its events to where it keeps it for another database:
 * alerts, and how far the destinations of exports have got. What is there already stays.
 */
import type { Settings } from "../config/load.ts";
import type { Documents } from "../model/documents.ts";
import type { Warn } from "../model/failure.ts";
import type { Shelf } from "./documents.ts";
import { withDocuments } from "./open-store.ts";

const SHELVES: readonly Shelf[] = ["alerts", "exported"];

/** @returns how many were copied */
export async function moveDocuments(
  from: Settings,
  to: Settings,
  warn: Warn,
): Promise<number> {
  let moved = 0;
  for (const shelf of SHELVES)
    await withDocuments(from, shelf, ([ours]) =>
      withDocuments(to, shelf, async ([theirs]) => {
        moved += await copyMissing(ours!, theirs!, warn);
      }),
    );
  return moved;
}

async function copyMissing(
  from: Documents,
  to: Documents,
  warn: Warn,
): Promise<number> {
  const unreadable = (name: string, reason: string) =>
    warn(`'${name}' of ${from.place} was left: ${reason}`);
  // One that begins so is only half written.
  const texts = await from.all((name) => !name.startsWith("."), unreadable);
  if (texts.size === 0) return 0;
  to.make();
  let copied = 0;
  for (const [name, text] of texts) {
    if ((await to.read(name)) !== null) continue;
    await to.write(name, text);
    copied++;
  }
  return copied;
}
