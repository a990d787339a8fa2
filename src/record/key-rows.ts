/** Private keys in PEM: what stands in the rows between the first line and the last. */
import type { Rows } from "../model/recording/rows.ts";
import type { Row } from "../model/recording/walk.ts";

const BEGINS = /-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY/;
const ENDS = /-----END/;
/** Base64, maybe behind the number of a line or a frame; or a header. */
const BODY =
  /[A-Za-z0-9+/=]{16}|^[ \t]*[A-Za-z0-9+/=]{0,76}[ \t]*$|^[\w-]{1,40}: /;
/** A key is no longer. */
const MOST_BYTES = 64 * 1024;
/** Rows of something else, behind which there is no key any more. */
const MOST_OTHERS = 2;

export const beginsKey = (text: string): boolean => BEGINS.test(text);

interface State {
  left: number;
  others: number;
}

export class KeyRows {
  private state: State = { left: 0, others: 0 };

  /** Whether the next row may be of one. */
  get expects(): boolean {
    return this.state.left > 0;
  }

  /**
   * @param start where what is new begins
   * @param end where what may be written ends
   */
  look(
    { came, drawn }: Rows,
    start: number,
    end: number,
    blank: (at: number) => void,
  ): void {
    // What was let go was looked at.
    for (const row of came)
      if (row.at[0]! < end && (row.end ?? Infinity) >= start)
        this.state = next(this.state, row, (row.end ?? end) < end, blank);
    let state: State = { left: 0, others: 0 };
    for (const row of drawn) state = next(state, row, true, blank);
  }
}

/** @param over whether the row is: else more of it may come, and nothing is decided */
function next(
  state: State,
  { text, at }: Row,
  over: boolean,
  blank: (at: number) => void,
): State {
  const begins = text.search(BEGINS);
  if (begins >= 0) {
    const whole = ENDS.test(text.slice(begins));
    return { left: whole ? 0 : MOST_BYTES, others: 0 };
  }
  if (state.left <= 0) return state;
  if (ENDS.test(text)) return over ? { left: 0, others: 0 } : state;
  const others = BODY.test(text) ? 0 : state.others + 1;
  if (others >= MOST_OTHERS) return over ? { left: 0, others: 0 } : state;
  at.forEach(blank);
  return over ? { left: state.left - text.length, others } : state;
}
