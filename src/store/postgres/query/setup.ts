/** Sets a transaction up for a query: checks it, and opens a cursor on its rows. */
import { VIEW_SCHEMA } from "../schema-views.ts";
import type { Connection } from "../connect.ts";
import { fail } from "../../../model/failure.ts";
import { queryFailure } from "../../query-failure.ts";
import { checkQuery } from "./check.ts";
import { asQueryFailure, beginning, withoutEnd } from "./place.ts";
import { type Tree, type TreeNode, isNode, parseTree } from "./tree.ts";
import { type ColumnType, asText } from "./values.ts";

/** May read the views and nothing else, where somebody has made it. */
const READER = "session_buddy_reader";

/** Rows that are fetched at a time, and what one may have. */
const FETCH_ROWS = 64;
const MAX_ROW_BYTES = 4 * 1024 * 1024;
/** What a query may write beside, where we may say so. */
const MAX_TEMP = "4GB";

const SETTINGS = `SELECT pg_backend_pid() AS pid, now()::text AS began,
  set_config('search_path', '${VIEW_SCHEMA}', true),
  set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true),
  set_config('IntervalStyle', 'postgres', true),
  set_config('bytea_output', 'hex', true),
  set_config('cursor_tuple_fraction', '1', true),
  set_config('statement_timeout', $1::text, true)`;

/** Which servers let others than superusers say since version 15. */
const BOUND = `SELECT current_setting('server_version_num')::integer >= 150000
  AS knows, rolsuper FROM pg_roles WHERE rolname = current_user`;
const MAY_BOUND = `SELECT has_parameter_privilege('temp_file_limit', 'SET') AS may`;
const BOUND_TEMP = `SELECT set_config('temp_file_limit', '${MAX_TEMP}', true)`;

const TAKE_ROLE = `SELECT set_config('role', rolname::text, true) FROM pg_roles
  WHERE rolname = '${READER}' AND pg_has_role(rolname, 'MEMBER')`;

const ASKED = "session_buddy_asked";
const ANSWER = "session_buddy_answer";
/** It runs nothing; columns of one name are no matter within. */
const ASK = `CREATE TEMP VIEW ${ASKED} AS SELECT 1 AS one FROM (`;
const MADE = `SELECT ev_action::text AS tree FROM pg_rewrite
  WHERE ev_class = 'pg_temp.${ASKED}'::regclass`;
const COLUMNS = `SELECT t.typname::text AS type, t.typcategory::text AS category,
    format_type(a.atttypid, a.atttypmod) AS full
  FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
  WHERE a.attrelid = 'pg_temp.${ANSWER}'::regclass AND a.attnum > 0
  ORDER BY a.attnum`;

export class Setup {
  /** The number of its process, and when it began. */
  transaction: readonly [pid: number, began: string] | null = null;
  columns: readonly ColumnType[] = [];
  /** Of the columns, each once. */
  names: readonly string[] = [];
  private readonly sql: string;

  constructor(
    private readonly tx: Connection,
    sql: string,
  ) {
    this.sql = withoutEnd(sql);
  }

  /** @throws Failure (usage) of the query; whatever else the database says */
  async prepare(timeout_ms: number): Promise<void> {
    const { tx, sql } = this;
    const [row] = await tx.ask<{ pid: number; began: string }>(SETTINGS, [
      `${timeout_ms}ms`,
    ]);
    this.transaction = [row!.pid, row!.began];
    await this.boundFiles();
    await tx.ask(TAKE_ROLE);
    if (beginning(sql) === "")
      throw queryFailure(sql, null, "there is no query in it");
    await this.at(ASK.length, `${ASK}${sql}\n) AS asked`);
    const [made] = await tx.ask<{ tree: string }>(MADE);
    const asked = askedIn(parseTree(made!.tree));
    if (!asked)
      throw queryFailure(sql, null, "it closes more than it has opened");
    await checkQuery(tx, asked.subquery, sql, ASK.length);
    this.names = distinct(asked.names);
    const own = this.names.map((_, i) => `c${i + 1}`);
    const answer = `CREATE TEMP VIEW ${ANSWER} (${own.join(", ")}) AS `;
    await this.at(answer.length, answer + sql);
    this.columns = await tx.ask<ColumnType>(COLUMNS);
    await tx.ask("SET TRANSACTION READ ONLY");
    const texts = this.columns.map((column, i) => asText(own[i]!, column));
    await tx.ask(`DECLARE user_query NO SCROLL CURSOR FOR
      SELECT CASE WHEN bytes <= ${MAX_ROW_BYTES} THEN texts END AS texts
      FROM (SELECT texts, pg_column_size(texts) AS bytes FROM (
        SELECT ARRAY[${texts.join(", ")}]::text[] AS texts
        FROM pg_temp.${ANSWER}) AS a OFFSET 0) AS a`);
  }

  /** The next rows, each value as a text; none at the end. */
  async fetch(): Promise<(string | null)[][]> {
    const rows = await this.tx.ask<{ texts: (string | null)[] | null }>(
      `FETCH ${FETCH_ROWS} FROM user_query`,
    );
    return rows.map(({ texts }) => {
      if (texts === null)
        throw fail.refused(
          `a row of the answer is larger than ${MAX_ROW_BYTES} bytes`,
          "take less of it, by left or substring",
        );
      return texts;
    });
  }

  /** @param before letters that stand before the query */
  private async at(before: number, statement: string): Promise<void> {
    try {
      await this.tx.ask(statement);
    } catch (error) {
      throw asQueryFailure(this.sql, error, before) ?? error;
    }
  }

  private async boundFiles(): Promise<void> {
    const [can] = await this.tx.ask<{ knows: boolean; rolsuper: boolean }>(
      BOUND,
    );
    const [may] = can!.knows
      ? await this.tx.ask<{ may: boolean }>(MAY_BOUND)
      : [{ may: false }];
    if (can!.rolsuper || may!.may) await this.tx.ask(BOUND_TEMP);
  }
}

/**
 * The query within the view that was made of it, and the names of its columns; null
 * where there is another one beside it.
 */
function askedIn(tree: Tree): { subquery: Tree; names: string[] } | null {
  const [query] = tree as readonly Tree[];
  const ranges = isNode(query) ? query.fields.get("rtable") : undefined;
  const subqueries = [...((ranges ?? []) as readonly Tree[])].filter(
    (range): range is TreeNode =>
      isNode(range) && range.fields.get("rtekind") === "1",
  );
  const [range, another] = subqueries;
  if (!range || another) return null;
  const reference = range.fields.get("eref");
  const names = isNode(reference) ? reference.fields.get("colnames") : [];
  return {
    subquery: range.fields.get("subquery")!,
    names: names === "<>" ? [] : [...(names as string[])],
  };
}

/** A name that another column has already has a number. */
function distinct(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let own = name;
    for (let n = 1; taken.has(own); n++) own = `${name}:${n}`;
    taken.add(own);
    return own;
  });
}
