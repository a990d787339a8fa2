/**
 * PostgreSQL for tests: one server for all of a run, which CI has started
 * (SESSION_BUDDY_TEST_POSTGRES, the URL of a database in it), else one for each process
 * that needs it; and an empty database for each test.
 */
import { SQL } from "bun";
import { Node } from "../crash/postgres/node.ts";
import { until } from "./wait.ts";

/** As many as the pools of a process of tests may have open. */
const CONFIGURATION = "max_connections = 200";

let running: Promise<string> | null = null;
let made = 0;

async function begin(): Promise<string> {
  const given = process.env["SESSION_BUDDY_TEST_POSTGRES"];
  if (given) return given;
  const node = await Node.copy(false);
  node.configure(CONFIGURATION);
  await node.start();
  node.endWithUs();
  return `postgres://postgres@127.0.0.1:${node.port}/postgres`;
}

export interface TestDatabase extends AsyncDisposable {
  url: string;
}

/**
 * A database of its own, empty; it is dropped when it is disposed of.
 * @param like one that nobody is connected to, and which it is a copy of
 */
export async function emptyDatabase(
  like?: TestDatabase,
): Promise<TestDatabase> {
  const url = new URL(await (running ??= begin()));
  const sql = new SQL(url.href, { max: 1 });
  const name = `sb_${process.pid}_${++made}`;
  await alone(sql, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  const template = like
    ? `TEMPLATE ${new URL(like.url).pathname.slice(1)}`
    : "";
  await alone(sql, `CREATE DATABASE ${name} ${template}`);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      await alone(sql, `DROP DATABASE ${name} WITH (FORCE)`);
      await sql.close();
    },
  };
}

/** SQLSTATE of object_in_use. */
const IN_USE = "55006";

/** What PostgreSQL does only while nobody is connected: it waits 5 s for them to go. */
const alone = (sql: SQL, statement: string): Promise<true> =>
  until(statement, () =>
    sql.unsafe(statement).then(
      () => true as const,
      (error: { errno?: string }) => {
        if (error.errno === IN_USE) return null;
        throw error;
      },
    ),
  );
