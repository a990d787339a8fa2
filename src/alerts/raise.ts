/**
 * Raises alerts as far as their rules may tell. Further ones are counted, and told of
 * as one once the time of the rule is over.
 */
import type { Alert, AlertRule } from "../model/alert.ts";
import { type Clock, isoTime } from "../model/clock.ts";
import { duration } from "../render/format.ts";
import type { Deliveries } from "./deliveries.ts";
import { type AlertState, type Window, leftOut, noWindow } from "./state.ts";
import { sentence } from "./words.ts";

/** Whom a rule was left out about, at most. */
const MOST_ABOUT = 20;
const OTHERS = "others";
const NAMESPACE = "0d2a9f57-64a8-4d4f-8f8f-3f1c7a1d2b60";

export class Raiser {
  /** Since the start. */
  left_out = 0;
  /** Rules whose alerts from before this process are counted. */
  private readonly counted = new Set<string>();

  constructor(
    private readonly state: AlertState,
    private readonly deliveries: Deliveries,
    private readonly now: Clock,
  ) {}

  /**
   * An alert as far as the rule may tell: it is on the disk when this resolves.
   * @param about tells it from the others of the rule
   * @returns its id
   */
  async raise(
    name: string,
    rule: AlertRule,
    about: string,
    { text, session, details }: Pick<Alert, "text" | "session" | "details">,
  ): Promise<string> {
    const { deliveries, now: clock } = this;
    const id = Bun.randomUUIDv5(`${name} ${about}`, NAMESPACE);
    if (deliveries.has(id)) return id;
    const now = clock();
    await this.endWindow(name, rule, now);
    const window = this.windowOf(name, rule, now);
    if (window.told >= rule.at_most) {
      window.left_out++;
      this.left_out++;
      const at = String(details["happened_at"] ?? isoTime(now));
      window.first ??= at;
      window.last = at;
      const who = session && `${session.username}@${session.hostname}`;
      count(window.about, who ?? String(details["host"] ?? OTHERS));
      return id;
    }
    window.told++;
    const until = isoTime(window.from_ms + rule.per_ms);
    const full = window.told >= rule.at_most;
    await this.tell(rule, {
      ...{ id, time: isoTime(now), rule: name, kind: rule.when, session },
      text:
        sentence(text) +
        (full ? `; until ${until} further ones are counted alone` : ""),
      details: full ? { ...details, counted_alone_until: until } : details,
    });
    return id;
  }

  /**
   * After its time a rule counts from 0, and tells what it has left out.
   * @returns whether it did
   */
  async endWindow(
    name: string,
    rule: AlertRule,
    now: number,
  ): Promise<boolean> {
    const window = this.state.windows[name];
    // Also where the clock was put back.
    if (!window || Math.abs(now - window.from_ms) < rule.per_ms) return false;
    delete this.state.windows[name];
    if (window.left_out === 0) return false;
    this.state.windows[name] = { ...noWindow(now), told: 1 };
    const { left_out, first, last, from_ms } = window;
    const most = Object.entries(window.about)
      .map(([who, times]) => `${who}: ${times}`)
      .join(", ");
    await this.tell(rule, {
      id: Bun.randomUUIDv5(`${name} left out ${from_ms}`, NAMESPACE),
      ...{ time: isoTime(now), rule: name, kind: "left_out", session: null },
      text: sentence(
        `${left_out} more were left out between ${first} and ${last}, for the rule tells at most ${rule.at_most} in ${duration(rule.per_ms / 1_000)}: ${most}`,
      ),
      details: leftOut(window),
    });
    return true;
  }

  /** What was told before a kill counts, although nobody has noted how many. */
  private windowOf(name: string, { per_ms }: AlertRule, now: number): Window {
    const window = (this.state.windows[name] ??= noWindow(now));
    if (this.counted.has(name)) return window;
    this.counted.add(name);
    const since = isoTime(now - per_ms);
    const told = Array.from(this.deliveries.all()).filter(
      ({ rule, time }) => rule === name && time >= since,
    );
    if (told.length > window.told) {
      window.told = told.length;
      window.from_ms = Math.min(window.from_ms, Date.parse(told[0]!.time));
    }
    return window;
  }

  private tell(rule: AlertRule, alert: Alert): Promise<void> {
    return this.deliveries.add(alert, rule.tell);
  }
}

function count(about: Record<string, number>, who: string): void {
  const room = who in about || Object.keys(about).length < MOST_ABOUT;
  const key = room ? sentence(who) : OTHERS;
  about[key] = (about[key] ?? 0) + 1;
}
