/** Marks a session as reviewed, or takes the mark away, in the name of whoever looks. */
import { useState } from "preact/hooks";
import { access, posted } from "./access.ts";
import { Text, Time } from "./parts.tsx";
import { reviewOf } from "./review.ts";
import type { WholeSession } from "./types.ts";

/** Whether somebody has looked it through, who and when. */
export function ReviewForm({ of }: { of: WholeSession }) {
  const [trouble, setTrouble] = useState<string | null>(null);
  const [note, setNote] = useState("");
  const review = reviewOf(of);
  const mark = (reviewed: boolean) =>
    posted("/web/review", {
      ...{ session_id: of.session_id, reviewed },
      ...(note.trim() !== "" && { note }),
    }).then(
      () => {
        setTrouble(null);
        setNote("");
      },
      ({ message }: Error) => setTrouble(message),
    );
  return (
    <section class="card" aria-label="Review">
      <p role="status">
        {review ? (
          <>
            Reviewed by <Text>{review.by}</Text>, <Time at={review.at} />
          </>
        ) : (
          "Nobody has marked it as reviewed."
        )}
      </p>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          void mark(!review);
        }}
      >
        <label class="grow">
          With a note
          <input
            value={note}
            autoComplete="off"
            onInput={({ currentTarget }) => setNote(currentTarget.value)}
          />
        </label>
        <button type="submit">
          {review ? "Take the mark away" : "Mark as reviewed"}
        </button>
      </form>
      {access.value?.subject && (
        <span class="soft">
          as <Text>{access.value.subject}</Text>
        </span>
      )}
      {trouble !== null && (
        <p class="error" role="alert">
          {trouble}
        </p>
      )}
    </section>
  );
}
