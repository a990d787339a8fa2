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

  /** Whether an event of that time may be stored although it is not in here. */
  reaches(timestamp: string): boolean {
    return timestamp > this.horizon;
  }

  add(event_id: string, timestamp: string): void {
    this.ids.set(event_id, timestamp);
    if (this.ids.size <= this.size) return;
    const [oldest, its] = this.ids.entries().next().value!;
    this.ids.delete(oldest);
    if (its > this.horizon) this.horizon = its;
  }
}
