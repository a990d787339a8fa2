/**
 * Work that one server at a time does for all that share a database: begun once this one
 * has the duty, and ended once it is another's.
 */
import type { Log } from "../log/log.ts";
import { Overloaded, reasonOf } from "../model/failure.ts";
import type { Duty, KeptStore } from "../model/store.ts";

interface Parts<W> {
  duty: Duty;
  store(): Pick<KeptStore, "take" | "holds" | "shared">;
  /** @param term see `take` */
  begin(term: string): Promise<W>;
  end(work: W): Promise<void>;
  log: Log;
}

export class OnDuty<W> {
  /** null while another does it. */
  work: W | null = null;
  private term: string | null = null;
  private turn: Promise<void> | null = null;
  private trouble: string | null = null;
  private stopped = false;

  constructor(private readonly parts: Parts<W>) {}

  /** Whether this server does it, just now. */
  readonly holds = (): boolean =>
    !this.stopped && this.parts.store().holds(this.parts.duty);

  /**
   * Takes the duty, or takes it again.
   * @throws Error when the work cannot begin
   */
  begin(): Promise<void> {
    return (this.turn ??= this.look().finally(() => (this.turn = null)));
  }

  /** To be called each second: what fails is said once, and tried again. */
  async tick(): Promise<void> {
    const { duty, log } = this.parts;
    try {
      await this.begin();
      this.trouble = null;
    } catch (error) {
      // A database that is away is said to be so by whoever keeps it open.
      if (error instanceof Overloaded) return;
      const reason = reasonOf(error);
      if (this.trouble !== reason) log.error("duty_failed", { duty, reason });
      this.trouble = reason;
    }
  }

  /** Ends the work; it is not begun again. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.turn?.catch(() => {});
    await this.change(null);
  }

  private async look(): Promise<void> {
    if (this.stopped) return;
    const { duty, store, begin } = this.parts;
    // While the database is away nobody can take it.
    const term = await store().take(duty);
    if (term !== this.term) await this.change(term);
    if (term === null || this.work !== null || this.stopped) return;
    this.work = await begin(term);
  }

  private async change(term: string | null): Promise<void> {
    const { work } = this;
    const { duty, store, end, log } = this.parts;
    this.work = null;
    this.term = term;
    if (work !== null) await end(work);
    if (store().shared && !this.stopped)
      log.info(term === null ? "duty_lost" : "duty_taken", { duty });
  }
}
