/**
 * Queries of users where there is a role that may read the views alone: they have its
 * rights, and the server its own.
 */
import { expect, test } from "bun:test";
import { addressOf } from "../../src/store/postgres/address.ts";
import { PostgresStore } from "../../src/store/postgres/store.ts";
import { Node, needsPostgres } from "../crash/postgres/node.ts";
import { start } from "../support/events.ts";
import { failureOf, rowsOf } from "./queries.ts";

/** As docs/many-hosts.md has them. */
const GRANTS = [
  "CREATE ROLE session_buddy LOGIN",
  "CREATE ROLE session_buddy_reader",
  "GRANT session_buddy_reader TO session_buddy",
  "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO session_buddy",
  "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO session_buddy",
  "GRANT USAGE ON SCHEMA session_buddy_views TO session_buddy, session_buddy_reader",
  "GRANT SELECT ON ALL TABLES IN SCHEMA session_buddy_views TO session_buddy, session_buddy_reader",
];

test.skipIf(!needsPostgres())(
  "queries have the rights of the reader",
  async () => {
    await using node = await Node.copy(false);
    node.configure("max_connections = 60");
    await node.start();
    const open = (role: string) =>
      PostgresStore.open(
        addressOf(
          `postgres://${role}@127.0.0.1:${node.port}/postgres`,
          null,
          null,
        ),
      );
    await (await open("postgres")).close();
    const admin = node.connect("postgres");
    for (const sql of GRANTS) await admin.unsafe(sql);
    const store = await open("session_buddy");
    await store.append([start()]);
    const count = (view: string) =>
      rowsOf(store, `SELECT count(*) AS n FROM ${view}`);
    for (const view of [
      "sessions",
      "events",
      "commands",
      "output",
      "recordings",
    ])
      expect([view, await count(view)]).toEqual([
        view,
        [{ n: Number(view === "sessions" || view === "events") }],
      ]);
    // What it may not read, its own role may.
    await admin.unsafe(
      "REVOKE SELECT ON session_buddy_views.events FROM session_buddy_reader",
    );
    expect(await count("sessions")).toEqual([{ n: 1 }]);
    expect(await failureOf(store, "SELECT * FROM events")).toMatchObject({
      code: "permission",
      sentence: "the query may not run: permission denied for view events",
    });
    await store.append([start({ session_id: "another" })]);
    expect(await count("sessions")).toEqual([{ n: 2 }]);
    await store.close();
    await admin.close();
  },
);
