/**
 * Small texts of all servers, in one table. What whoever has a duty writes is written
 * while he has it, and not after: the row of the duty is locked meanwhile.
 */
import { type Documents, Displaced } from "../../model/documents.ts";
import type { Address } from "./address.ts";
import type { Connection } from "./connect.ts";
import { prepare } from "./migrate.ts";
import { Reach } from "./reach.ts";
import { arrayOf, decoded, encoded } from "./text.ts";

/** What is written by a duty: who has it, and since when. */
export interface Fence {
  duty: string;
  holder: string;
  /** See Held. */
  term: string;
}

/** $3 to $5: the duty; without one, anybody may. */
const MAY = `SELECT 1 FROM duties WHERE name = $3::text
    AND holder = $4::text AND term = $5::bigint FOR SHARE`;
const ANYBODY = `SELECT 1 WHERE $3::text IS NULL AND $4::text IS NULL
    AND $5::bigint IS NULL`;

const write = (may: string) => `WITH may AS (${may})
  INSERT INTO documents (folder, name, text)
  SELECT $1::text, $2::text, $6::text FROM may
  ON CONFLICT (folder, name) DO UPDATE SET text = excluded.text RETURNING 1`;

const remove = (may: string) => `WITH may AS (${may}), gone AS (
    DELETE FROM documents WHERE folder = $1::text AND name = $2::text
      AND EXISTS (SELECT FROM may))
  SELECT 1 FROM may`;

const NAMES = "SELECT name FROM documents WHERE folder = $1::text";
const TEXTS = `SELECT name, text FROM documents
  WHERE folder = $1::text AND name = ANY($2::text[])`;

export class DatabaseDocuments implements Documents {
  readonly place: string;

  /** @param database its name, for people */
  constructor(
    private readonly connection: Connection,
    database: string,
    private readonly folder: string,
    private readonly fence: Fence | null,
  ) {
    this.place = `${database}, ${folder}`;
  }

  make(): void {
    // The table is there.
  }

  async all(
    chosen: (name: string) => boolean,
  ): Promise<ReadonlyMap<string, string>> {
    const named = await this.connection.ask<{ name: string }>(NAMES, [
      this.folder,
    ]);
    const names = named.map(({ name }) => decoded(name)).filter(chosen);
    return this.texts(names);
  }

  async read(name: string): Promise<string | null> {
    return (await this.texts([name])).get(name) ?? null;
  }

  async write(name: string, text: string): Promise<void> {
    await this.change(write, name, [encoded(text)]);
  }

  async remove(name: string): Promise<void> {
    await this.change(remove, name, []);
  }

  private async texts(names: readonly string[]): Promise<Map<string, string>> {
    const rows = await this.connection.ask<{ name: string; text: string }>(
      TEXTS,
      [this.folder, arrayOf(names.map((name) => encoded(name)))],
    );
    return new Map(
      rows.map(({ name, text }) => [decoded(name), decoded(text)]),
    );
  }

  private async change(
    sql: (may: string) => string,
    name: string,
    more: readonly string[],
  ): Promise<void> {
    const { fence, folder, connection } = this;
    const { duty = null, holder = null, term = null } = fence ?? {};
    const values = [folder, encoded(name), duty, holder, term, ...more];
    const done = await connection.ask(sql(fence ? MAY : ANYBODY), values);
    if (done.length === 0) throw new Displaced();
  }
}

/** For one who keeps no store open. @throws Failure when the database cannot be used */
export async function withDatabaseDocuments<T>(
  address: Address,
  folder: string,
  use: (documents: Documents) => Promise<T>,
): Promise<T> {
  const reach = new Reach(address, {});
  try {
    await prepare(reach);
    const { writes } = reach;
    return await use(new DatabaseDocuments(writes, address.name, folder, null));
  } finally {
    await reach.end();
  }
}
