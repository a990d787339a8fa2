/**
 * What is known of a round from outside: which events were seen whole on a disk, which
 * a server has acknowledged, what was done, and what went wrong. Several hosts of one
 * round keep the same books.
 */
import type { Event } from "../../src/model/event.ts";

/** A session that a server was told of, and what it was told. */
export interface Told {
  ended: boolean;
  /** An end was sent, and perhaps not answered. */
  ending: boolean;
  /** Of one that lives by its heartbeats: when they were sent. */
  beats?: number[];
}

export class Books {
  readonly violations: string[];
  /** What was done, in order. */
  readonly story: string[];
  /** By event id, everything that was seen whole in a spool. */
  readonly seen: Map<string, Event>;
  /** Event ids that were sent to a server; true once it has acknowledged them. */
  readonly sent: Map<string, boolean>;
  readonly told: Map<string, Told>;
  /** Sessions of wrappers of ours, whatever came of them. */
  readonly wrapped: Set<string>;
  /** Of those, whose shells left something behind them: it may come late. */
  readonly late: Set<string>;
  /** What was typed and may stand nowhere. */
  readonly secrets: string[];
  readonly counts: Record<string, number>;
  private readonly began: number;

  /** @param shared the books to write in; new ones when left out */
  constructor(shared?: Books) {
    this.violations = shared?.violations ?? [];
    this.story = shared?.story ?? [];
    this.seen = shared?.seen ?? new Map();
    this.sent = shared?.sent ?? new Map();
    this.told = shared?.told ?? new Map();
    this.wrapped = shared?.wrapped ?? new Set();
    this.late = shared?.late ?? new Set();
    this.secrets = shared?.secrets ?? [];
    this.counts = shared?.counts ?? {};
    this.began = shared?.began ?? performance.now();
  }

  tell(what: string): void {
    const at = Math.round(performance.now() - this.began);
    this.story.push(`${at} ms: ${what}`);
  }

  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }

  blame(what: string): void {
    this.tell(`VIOLATION ${what}`);
    this.violations.push(what);
  }
}
