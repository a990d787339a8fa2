/** Whether a session was reviewed, by what was said of it last. */
import type { Said, WholeSession } from "./types.ts";

const REVIEWED = "reviewed";

/** @returns who marked it last, and when; null when nobody has, or the mark was taken away */
export function reviewOf({
  remarks,
  notes,
  tags,
}: Pick<WholeSession, "remarks" | "notes" | "tags">): {
  by: string;
  at: string;
} | null {
  const marks = remarks.filter(
    ({ add_tags, remove_tags }) =>
      add_tags?.includes(REVIEWED) || remove_tags?.includes(REVIEWED),
  );
  const last = marks.at(-1);
  if (last?.add_tags?.includes(REVIEWED)) return signed(last);
  // Its own reporter's mark is a tag of the session, whose note says when.
  if (!last && tags.includes(REVIEWED)) {
    const note = notes.at(-1);
    return note ? signed(note) : { by: "its reporter", at: "" };
  }
  return null;
}

const signed = ({ reporter, timestamp }: Said) => ({
  by: (reporter ?? "somebody").replace(/^token:/, ""),
  at: timestamp,
});
