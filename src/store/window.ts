/**
 * The ids of the newest stored events, and how far back they reach. What is
 * newer than the horizon and not among them has not been stored: no question
 * to the database is needed to know.
 *
 * Ids are kept in two halves. When the younger is full the elder is let go as
 * a whole: to take single ones out of a large map costs more than to put them in.
 */
interface Half {
  /** Event id → timestamp. */
  ids: Map<string, string>;
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

  has(event_id: string): boolean {
    return this.younger.ids.has(event_id) || this.elder.ids.has(event_id);
  }

  /** The timestamp of one that is in here. */
  timeOf(event_id: string): string | undefined {
    return this.younger.ids.get(event_id) ?? this.elder.ids.get(event_id);
  }

  /** Whether an event of that time that is not in here cannot have been stored. */
  reaches(timestamp: string): boolean {
    return timestamp > this.horizon;
  }

  add(event_id: string, timestamp: string): void {
    const { younger } = this;
    younger.ids.set(event_id, timestamp);
    if (timestamp > younger.last) younger.last = timestamp;
    if (younger.ids.size < this.size / 2) return;
    if (this.elder.last > this.horizon) this.horizon = this.elder.last;
    this.elder = younger;
    this.younger = empty();
  }
}
