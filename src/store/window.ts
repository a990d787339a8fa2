/**
 * The ids of the newest stored events, and how far back they reach. What is
 * newer than the horizon and not among them has not been stored: no question
 * to the database is needed to know.
 */
export class IdWindow {
  /** Event id → timestamp, in the order of arrival. */
  private readonly ids = new Map<string, string>();

  /**
   * @param size ids to keep, at most
   * @param horizon the greatest timestamp of events stored before; "" for none
   */
  constructor(
    private readonly size: number,
    private horizon: string,
  ) {}

  has(event_id: string): boolean {
    return this.ids.has(event_id);
  }

  /** The timestamp of one that is in here. */
  timeOf(event_id: string): string | undefined {
    return this.ids.get(event_id);
  }

  /** Whether an event of that time that is not in here cannot have been stored. */
  reaches(timestamp: string): boolean {
    return timestamp > this.horizon;
  }

  add(event_id: string, timestamp: string): void {
    this.ids.set(event_id, timestamp);
    if (this.ids.size > this.size) this.evict();
  }

  /** Many at once: to find a map's oldest entry takes longer the more went before it. */
  private evict(): void {
    const keep = Math.floor((this.size * 15) / 16);
    for (const [event_id, timestamp] of this.ids) {
      if (this.ids.size <= keep) return;
      this.ids.delete(event_id);
      if (timestamp > this.horizon) this.horizon = timestamp;
    }
  }
}
