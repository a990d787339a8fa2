/** Looks that are under way, none of which waits for another. */
import { Displaced } from "../model/documents.ts";
import { reasonOf } from "../model/failure.ts";
import type { AlertLog } from "./source.ts";

export class Looks {
  /** By what they look at. */
  private readonly running = new Map<string, Promise<void>>();
  private readonly trouble = new Map<string, string>();
  /** Another server looks now. */
  displaced = false;

  constructor(private readonly log: AlertLog) {}

  /** Where it is not under way. */
  begin(what: string, how: () => Promise<void>): void {
    if (!this.running.has(what))
      this.running.set(
        what,
        this.attempt(what, how).finally(() => this.running.delete(what)),
      );
  }

  /** What fails is said once, and tried again at the next look. */
  async attempt(what: string, how: () => Promise<void>): Promise<void> {
    try {
      await how();
      if (this.trouble.delete(what))
        this.log.info("alerts_recovered", { of: what });
    } catch (error) {
      if (error instanceof Displaced) {
        this.displaced = true;
        return;
      }
      const reason = reasonOf(error);
      if (this.trouble.get(what) !== reason)
        this.log.error("alerts_failed", { of: what, reason });
      this.trouble.set(what, reason);
    }
  }

  async idle(): Promise<void> {
    await Promise.all(this.running.values());
  }
}
