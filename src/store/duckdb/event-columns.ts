/**
 * What events say of commands and notes, in columns: to look through a column takes a
 * hundredth of what the same takes in the events' JSON. The table is made from the
 * events, slice by slice between commits, and is brought up to them before it is read;
 * of a database that was made without it, too. No event but those of its kinds is in
 * it, so the last one that is says how far it goes.
 */
import { Task } from "../../model/progress.ts";
import type { Database } from "./database.ts";
import { SQL } from "./statements.ts";

/** Events that one statement looks at, while commits wait. */
const SLICE = 4_096;
/** Where nobody reads, it may be so many events behind. */
const MAX_BEHIND = 65_536;
/** Below this it is no work that a person waits for. */
const WORTH_TELLING = 524_288;

export class EventColumns {
  /** The number of the last event that was looked at; null until it is asked for. */
  private through: number | null = null;
  private slice: Promise<number> | null = null;
  private catching: Promise<void> | null = null;
  private closed = false;

  /** @param stored knows the number of the last event that there is */
  constructor(
    private readonly db: Database,
    private readonly stored: { readonly lastSeq: number },
  ) {}

  /** Brings it up to what is stored now. */
  async write(): Promise<void> {
    const { lastSeq } = this.stored;
    const first = this.through ?? (await this.db.inTurn(() => this.reached()));
    using task = lastSeq - first < WORTH_TELLING ? null : new Task("index");
    for (let at = first; at < lastSeq && !this.closed; at = await this.next())
      task?.at("reading what was stored", (at - first) / (lastSeq - first));
  }

  /** Of a store that nobody reads, or that is never idle. */
  catchUp(): Promise<void> {
    return (this.catching ??= this.follow().finally(
      () => (this.catching = null),
    ));
  }

  private async follow(): Promise<void> {
    let at = this.through ?? (await this.db.inTurn(() => this.reached()));
    while (this.stored.lastSeq - at > MAX_BEHIND && !this.closed)
      at = await this.next();
  }

  /** Makes those of a session again whose events were changed, in the same transaction. */
  async writeAnew(session_id: string): Promise<void> {
    const upTo = BigInt(await this.reached());
    await this.db.run(SQL.deleteColumns, [session_id]);
    await this.db.run(SQL.addColumnsAnew, [session_id, upTo]);
  }

  /** Makes no more; what is missing is made when it is opened again. */
  close(): void {
    this.closed = true;
  }

  /**
   * Adds one slice, for all who wait for it.
   * @returns how far it goes now
   */
  private next(): Promise<number> {
    return (this.slice ??= this.db
      .inTurn(() => this.add())
      .finally(() => (this.slice = null)));
  }

  private async add(): Promise<number> {
    const from = await this.reached();
    const upTo = Math.min(from + SLICE, this.stored.lastSeq);
    await this.db.run(SQL.addColumns, [BigInt(from), BigInt(upTo)]);
    return (this.through = upTo);
  }

  /** How far it goes, in the writer's turn. */
  private async reached(): Promise<number> {
    return (this.through ??= await this.db.one<number>(SQL.lastInColumns));
  }
}
