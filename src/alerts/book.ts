/**
 * Keeps alerts as texts beside the database, so that none of it is written with an
 * event: `ID.json` is the server's, `ID.ack` whoever takes note of it, `state.json`
 * how far the server has looked. Each has one writer, and is replaced whole.
 */
import type { KeptAlert } from "../model/alert.ts";
import type { Documents, Unreadable } from "../model/documents.ts";
import { fail, reasonOf } from "../model/failure.ts";
import { isAboutTexts, withoutTexts } from "./words.ts";

const NAME =
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.(json|ack)$/;
const STATE = "state.json";
const IN_FORCE = "rules.json";

type Ack = NonNullable<KeptAlert["acked"]>;

/** The rules that are looked at where several servers could, and by the server of which host. */
export interface InForce {
  host: string;
  /** See `digestOf`. */
  digest: string;
}

export class AlertBook {
  /** Writes are made one after the other. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly documents: Documents) {}

  /** For people. */
  get place(): string {
    return this.documents.place;
  }

  /**
   * The alerts, oldest first.
   * @param unreadable is told of texts that are no alerts
   * @throws Failure (permission) where others rule
   */
  async read(unreadable: Unreadable): Promise<KeptAlert[]> {
    const texts = await this.documents.all(
      (name) => NAME.test(name),
      unreadable,
    );
    const alerts: KeptAlert[] = [];
    for (const [name, text] of texts) {
      if (!name.endsWith(".json")) continue;
      const id = name.slice(0, -".json".length);
      try {
        const alert = alertIn(JSON.parse(text));
        alerts.push({ ...alert, id, acked: ackIn(texts.get(`${id}.ack`)) });
      } catch (error) {
        unreadable(name, reasonOf(error));
      }
    }
    return alerts.sort((a, b) => a.seq - b.seq);
  }

  /** Whether it has an alert of this id. */
  async has(id: string): Promise<boolean> {
    return (await this.documents.read(`${id}.json`)) !== null;
  }

  /** Resolves once it is durable. */
  save({ acked: _, ...alert }: KeptAlert): Promise<void> {
    const text = JSON.stringify(alert);
    return this.inTurn(() => this.documents.write(`${alert.id}.json`, text));
  }

  /**
   * @returns null where there is none, or it is damaged
   * @throws Error where it cannot be read
   */
  async readState(): Promise<unknown> {
    const text = await this.documents.read(STATE);
    try {
      return text === null ? null : JSON.parse(text);
    } catch {
      return null;
    }
  }

  /** @param json what `readState` reads */
  saveState(json: string): Promise<void> {
    return this.inTurn(() => this.documents.write(STATE, json));
  }

  saveInForce(rules: InForce): Promise<void> {
    const text = JSON.stringify(rules);
    return this.inTurn(() => this.documents.write(IN_FORCE, text));
  }

  /** @returns null where one server alone keeps it */
  async readInForce(): Promise<InForce | null> {
    const text = await this.documents.read(IN_FORCE);
    return text === null ? null : (JSON.parse(text) as InForce);
  }

  /** Takes note of an alert. */
  ack(id: string, ack: Ack): Promise<void> {
    const text = JSON.stringify(ack);
    return this.inTurn(() => this.documents.write(`${id}.ack`, text));
  }

  /**
   * The alerts that have texts of a session.
   * @param event_ids null: any of the session
   * @throws Failure (storage) where one cannot be read
   */
  async withTexts(
    session_id: string,
    event_ids: readonly string[] | null,
  ): Promise<KeptAlert[]> {
    const unreadable = (name: string, reason: string) => {
      throw fail.storage(
        `'${this.place}/${name}' holds no alert: ${reason}`,
        "remove it",
      );
    };
    const alerts = await this.read(unreadable);
    return alerts.filter(
      (alert) =>
        isAboutTexts(alert, session_id, event_ids) &&
        !Bun.deepEquals(withoutTexts(alert), alert),
    );
  }

  /**
   * Removes texts of a session from what is kept; a server that runs forgets them
   * once it learns of it from the database.
   * @param event_ids null: all of the session
   */
  async removeTexts(
    session_id: string,
    event_ids: readonly string[] | null,
  ): Promise<void> {
    for (const alert of await this.withTexts(session_id, event_ids))
      await this.save(withoutTexts(alert));
  }

  async remove(id: string): Promise<void> {
    for (const end of ["json", "ack"])
      await this.inTurn(() => this.documents.remove(`${id}.${end}`));
  }

  /** Resolves once nothing is being written any more. */
  async settled(): Promise<void> {
    await this.last;
  }

  private inTurn(write: () => Promise<void>): Promise<void> {
    const written = this.last.then(write);
    this.last = written.catch(() => {});
    return written;
  }
}

function ackIn(text: string | undefined): Ack | null {
  try {
    return text === undefined ? null : (JSON.parse(text) as Ack);
  } catch {
    return null;
  }
}

/** @throws Error for what a damaged disk has made of one */
function alertIn(read: unknown): KeptAlert {
  const { seq, time, text, rule, details, told } = (read ??
    {}) as Partial<KeptAlert>;
  const texts = [time, text, rule].every((value) => typeof value === "string");
  const objects = [details, told].every((v) => typeof v === "object" && v);
  if (texts && objects && Number.isInteger(seq)) return read as KeptAlert;
  throw new Error("it is no alert");
}
