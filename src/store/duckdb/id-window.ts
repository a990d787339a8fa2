/**
 * The ids of the newest stored events, and how far back they reach. What is
 * newer than the horizon and not among them has not been stored: no question
 * to the database is needed to know.
 *
 * Ids are kept in two halves. When the younger is full the elder is let go as
 * a whole: to take single ones out of a large map costs more than to put them in.
 */
interface Half {
  /** Event id → timestamp; of several under one id the first and the last. */
  ids: Map<string, string | [string, string]>;
  /** The greatest timestamp of its events. */
  last: string;
}

const empty = (): Half => ({ ids: new Map(), last: "" });

export class IdWindow {
  private elder = empty();
  private younger = empty();

  /**
   * @param size ids to keep, at most; at least half as many are
   * @param horizon the greatest timestamp of events stored before; "" for none
   */
  constructor(
    private readonly size: number,
    private horizon: string,
  ) {}

  /** Between which timestamps those under an id are that are in here; none for none. */
  timesOf(event_id: string): string[] {
    return [this.elder, this.younger].flatMap(
      ({ ids }) => ids.get(event_id) ?? [],
    );
  }

  /** Whether an event of that time that is not in here cannot have been stored. */
  reaches(timestamp: string): boolean {
    return timestamp > this.horizon;
  }

  add(event_id: string, timestamp: string): void {
    const { younger } = this;
    const before = younger.ids.get(event_id);
    if (before === undefined) younger.ids.set(event_id, timestamp);
    else {
      const times = [before, timestamp].flat().sort();
      younger.ids.set(event_id, [times[0]!, times.at(-1)!]);
    }
    if (timestamp > younger.last) younger.last = timestamp;
    if (younger.ids.size < this.size / 2) return;
    if (this.elder.last > this.horizon) this.horizon = this.elder.last;
    this.elder = younger;
    this.younger = empty();
  }
}
