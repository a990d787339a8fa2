/**
 * Raises alerts: looks at the events that were stored since it looked last, and at
 * how things stand. It reads what is committed, beside whatever commits: no event
 * waits for a rule, and after a restart it goes on where it was.
 */
import type { AlertConfig, AlertRule, AlertSession } from "../model/alert.ts";
import { type Clock, type Zone, isoTime } from "../model/clock.ts";
import { type Kind, type Redaction, isKind } from "../model/event.ts";
import type { StoredEvent } from "../model/store.ts";
import { localZone } from "../os/zone.ts";
import type { AlertBook } from "./book.ts";
import { measure } from "./conditions.ts";
import type { Deliveries } from "./deliveries.ts";
import { Looks } from "./looks.ts";
import { endedCommand, findingOf, isAbout } from "./match.ts";
import { Raiser } from "./raise.ts";
import { type Scope, eventsIn, measuresIn, rulesIn } from "./scope.ts";
import type { AlertLog, AlertSource } from "./source.ts";
import { CommandStarts } from "./starts.ts";
import { type AlertState, type Standing, bare, stateFrom } from "./state.ts";
import { alertSession, nameOf, ofThisHost } from "./words.ts";

/** Events that one look reads: parsing them keeps others waiting for so long. */
const PAGE_EVENTS = 256;
/** Conditions of a rule that hold at a time; further ones are not looked at. */
const MOST_STANDING = 1_000;
/** So long one look reads events, however many there are. */
const LOOK_MS = 1_000;
/** So long the start of a session may come after what happened in it. */
const ORPHAN_MS = 5_000;
/** How far it has looked is written so often when nothing was raised. */
const SAVE_MS = 10_000;

export interface AlertParts {
  config: AlertConfig;
  scope: Scope;
  /** Whether it is this process that looks, just now. */
  may: () => boolean;
  book: AlertBook;
  /** What was kept of how far it has looked. */
  state: unknown;
  source: AlertSource;
  deliveries: Deliveries;
  log: AlertLog;
  env: Readonly<Record<string, string | undefined>>;
  now: Clock;
}

export class Alerts {
  private readonly rules: [name: string, rule: AlertRule][];
  private readonly zones: Map<string, Zone>;
  private readonly state: AlertState;
  private readonly raiser: Raiser;
  private readonly starts: CommandStarts;
  private readonly watchesEnds: boolean;
  private readonly next = new Map<string, number>();
  private readonly looks: Looks;
  /** Events were stored since the last look. */
  private woken = true;
  private anew = true;
  private saved = "";
  private saved_ms = 0;
  private last_ms = 0;
  private latest: AlertSession | null = null;
  private closed = false;

  constructor(private readonly parts: AlertParts) {
    const { config, env, source, scope } = parts;
    this.rules = rulesIn(scope, config);
    this.looks = new Looks(parts.log);
    const names = new Set(this.rules.map(([name]) => name));
    this.state = stateFrom(parts.state, names);
    // What came before there were rules is history.
    this.state.cursor ??= { seq: source.lastSeq(), event_id: null };
    this.starts = new CommandStarts(source);
    this.watchesEnds = this.rules.some(([, rule]) =>
      eventsIn(scope, rule).includes("command_end"),
    );
    this.raiser = new Raiser(this.state, parts.deliveries, parts.now);
    const here = localZone(env);
    this.zones = new Map(
      this.rules.map(([name, { zone }]) => [
        name,
        zone === undefined ? here : localZone({ ...env, TZ: zone }),
      ]),
    );
  }

  /** To be awaited before anything is stored: where it begins is on the disk then. */
  ready(): Promise<void> {
    return this.looks.attempt("state", () => this.save());
  }

  /** Since the start, for metrics. */
  counts() {
    const { counts, waiting } = this.parts.deliveries;
    return { ...counts, waiting, left_out: this.raiser.left_out };
  }

  /** Events were stored. */
  wake(): void {
    this.woken = true;
  }

  /** The database is another one now, perhaps. */
  beginAnew(): void {
    this.anew = this.woken = true;
  }

  /** To be called each second; returns at once. */
  tick(): void {
    if (this.closed || this.looks.displaced || !this.parts.may()) return;
    this.parts.deliveries.tick();
    void this.looked();
  }

  /** Looks; where that is being done, until it is done. */
  async looked(): Promise<void> {
    const { looks } = this;
    // None waits for another: one may be with a database that hangs.
    looks.begin("events", () => this.lookAtStored());
    for (const [name, rule] of this.rules)
      looks.begin(name, () => this.lookAround(name, rule));
    looks.begin("state", async () => {
      if (this.parts.now() - this.saved_ms >= SAVE_MS) await this.save();
    });
    await looks.idle();
  }

  /** Lets a look come to its end, and writes how far it has come. */
  async close(): Promise<void> {
    this.closed = true;
    await this.looks.idle();
    await this.looks.attempt("state", () => this.save());
    await this.parts.deliveries.close();
  }

  private async lookAtStored(): Promise<void> {
    const { scope, source } = this.parts;
    if (scope === "host") return;
    // What others store wakes nobody here.
    if (!this.woken && source.lastSeq() <= this.state.cursor!.seq) return;
    this.woken = false;
    try {
      await this.lookAtEvents();
    } catch (error) {
      this.woken = true;
      throw error;
    }
  }

  private async lookAround(name: string, rule: AlertRule): Promise<void> {
    const now = this.parts.now();
    // A clock that was put back is to make nobody wait.
    if (now < this.last_ms) this.next.clear();
    this.last_ms = now;
    const due = now >= (this.next.get(name) ?? 0);
    if (due && measuresIn(this.parts.scope, rule))
      await this.lookAtConditions(name, rule, now);
    if (await this.raiser.endWindow(name, rule, now)) await this.save();
  }

  private async lookAtEvents(): Promise<void> {
    const { source, scope, may } = this.parts;
    if (this.anew) await this.findPlace();
    const kinds = new Set<Kind>([
      ...this.rules.flatMap(([, rule]) => eventsIn(scope, rule)),
      "redaction",
    ]);
    const begun = performance.now();
    for (let more = true; more && !this.closed && may();) {
      if (performance.now() - begun > LOOK_MS) return this.wake();
      // What is stored by now is in the page, or behind its last event.
      const last = source.lastSeq();
      const after_seq = this.state.cursor!.seq;
      if (after_seq >= last) return;
      const page = await Array.fromAsync(
        source.events({ after_seq, kinds: [...kinds], limit: PAGE_EVENTS }),
      );
      let raised = false;
      this.latest = null;
      for (const stored of page) {
        const looked = await this.lookAt(stored);
        raised ||= looked === "raised";
        if (looked !== "early") this.reached(stored.seq, stored.event.event_id);
        else return this.wake();
      }
      more = page.length === PAGE_EVENTS;
      // Behind it there are others that no rule looks at.
      if (!more && last > this.state.cursor!.seq) this.reached(last);
      if (raised) await this.save();
    }
  }

  /** Where it goes on; at the end, in a database that it does not know. */
  private async findPlace(): Promise<void> {
    const { source, log } = this.parts;
    const { cursor } = this.state;
    const known = cursor && (await this.isKnown(cursor));
    // After a look: what another has seen is numbered here by then.
    const last = source.lastSeq();
    this.anew = false;
    if (known && cursor.seq <= last) return;
    if (cursor) log.warn("alerts_begin_anew", { at: last, was: cursor.seq });
    this.reached(last);
  }

  /** Whether an event is the one that it was, or is archived. */
  private async isKnown({
    seq,
    event_id,
  }: NonNullable<AlertState["cursor"]>): Promise<boolean> {
    const filter = { after_seq: seq - 1, limit: 1 };
    for await (const stored of this.parts.source.events(filter))
      if (stored.seq === seq && event_id !== null)
        return stored.event.event_id === event_id;
    return true;
  }

  /** @param event_id of the event with this number, where it is known */
  private reached(seq: number, event_id: string | null = null): void {
    this.state.cursor = { seq, event_id };
  }

  /** @returns `raised` also where the rule has told enough; see ORPHAN_MS of `early` */
  private async lookAt(
    stored: StoredEvent,
  ): Promise<"raised" | "early" | null> {
    const { config, now, scope } = this.parts;
    const { event } = stored;
    if (isKind(event, "redaction")) await this.forget(event);
    if (isKind(event, "command_start") && this.watchesEnds)
      this.starts.note(event);
    let raised: "raised" | null = null;
    let session: AlertSession | null | undefined;
    for (const [name, rule] of this.rules) {
      if (!eventsIn(scope, rule).some((kind) => kind === event.event_type))
        continue;
      const happened = Date.parse(event.timestamp);
      if (rule.when === "session_longer") {
        this.dueBy(name, happened + rule.than_ms! + 1);
        continue;
      }
      if (happened < now() - config.max_age_ms) continue;
      const finding = isKind(event, "command_end")
        ? await endedCommand(rule, event, this.starts)
        : findingOf(rule, stored, this.zones.get(name)!);
      if (!finding) continue;
      if (session === undefined) {
        session = await this.sessionOf(event.session_id);
      }
      const waits_ms = Math.abs(now() - Date.parse(stored.received_at));
      if (!session && waits_ms < ORPHAN_MS) return "early";
      if (!isAbout(rule, session)) continue;
      const { what, details } = finding;
      // Late ones are told of once a session.
      const about =
        rule.when === "undelivered" ? event.session_id : event.event_id;
      await this.raiser.raise(name, rule, about, {
        text: `${session ? nameOf(session) : event.session_id} ${what}`,
        session,
        details: {
          ...details,
          session_id: event.session_id,
          event_id: event.event_id,
          happened_at: event.timestamp,
        },
      });
      raised = "raised";
    }
    return raised;
  }

  private async forget({ session_id, of }: Redaction): Promise<void> {
    this.starts.clear();
    await this.parts.deliveries.removeTexts(session_id, of ?? null);
  }

  /** Most that happens in a row is in one session. */
  private async sessionOf(session_id: string): Promise<AlertSession | null> {
    if (this.latest?.session_id === session_id) return this.latest;
    const found = await this.parts.source.session(session_id);
    return (this.latest = found && alertSession(found));
  }

  private dueBy(name: string, ms: number): void {
    this.next.set(name, Math.min(this.next.get(name) ?? 0, ms));
  }

  private async lookAtConditions(
    name: string,
    rule: AlertRule,
    now: number,
  ): Promise<void> {
    const { source, log, scope } = this.parts;
    const measured = await measure(name, rule, source, this.state, now);
    this.next.set(name, measured?.next_ms ?? Infinity);
    if (!measured) return;
    const standing = (this.state.standing[name] ??= bare<Standing>());
    let changed = false;
    for (const [about, { id }] of Object.entries(standing)) {
      if (measured.found.has(about)) continue;
      delete standing[about];
      changed = true;
      if (id !== null) {
        await this.parts.deliveries.resolved(id, isoTime(now));
        log.info("alert_resolved", { rule: name, id });
      }
    }
    // Others measure by themselves how long it has lasted.
    const least_ms = rule.when === "server_degraded" ? (rule.than_ms ?? 0) : 0;
    for (const [about, { what, session, details }] of measured.found) {
      if (!(about in standing) && Object.keys(standing).length >= MOST_STANDING)
        break;
      const held = (standing[about] ??= { since: isoTime(now), id: null });
      if (held.id !== null || now - Date.parse(held.since) < least_ms) continue;
      const text = session ? `${nameOf(session)} ${what}` : what;
      const key = `${about} ${held.since}`;
      const found = { text, session, details };
      const one = scope === "host" ? ofThisHost(key, found) : { key, found };
      held.id = await this.raiser.raise(name, rule, one.key, one.found);
      changed = true;
    }
    if (changed) await this.save();
  }

  private async save(): Promise<void> {
    this.saved_ms = this.parts.now();
    const text = JSON.stringify(this.state);
    if (text === this.saved) return;
    await this.parts.book.saveState(text);
    this.saved = text;
  }
}
