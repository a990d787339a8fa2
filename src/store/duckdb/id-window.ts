/**
 * The ids of the newest stored events. An event later than the horizon that is not
 * among them is not stored, which is known without a query.
 *
 * Ids are kept in two halves, of which the elder is dropped as a whole: deleting
 * single keys of a large map costs more than adding them.
 */
interface Half {
  /** Event id → timestamp, or the first and the last of several. */
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

  /** The timestamps of an id; those of several events lie between two. */
  timesOf(event_id: string): string[] {
    return [this.elder, this.younger].flatMap(
      ({ ids }) => ids.get(event_id) ?? [],
    );
  }

  /** Whether an event of that time is in here if it is stored. */
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
