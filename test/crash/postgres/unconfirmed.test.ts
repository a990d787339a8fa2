/**
 * What a database shows after a crash may be there alone: its standby had not confirmed
 * it. Who sends it again is told that it is stored once it is on both, so that a
 * standby that is promoted has it.
 */
import { expect, test } from "bun:test";
import { configure, needsRoot } from "../../support/host.ts";
import { Sandbox } from "../../support/sandbox.ts";
import { TestServer, startArguments } from "../../support/server.ts";
import { until } from "../../support/wait.ts";
import { Cluster } from "./cluster.ts";
import { needsPostgres } from "./node.ts";

test.skipIf(!(needsPostgres() && needsRoot("nsenter", "runuser")))(
  "a start that is sent again after a crash is acknowledged when the standby has it",
  async () => {
    await using cluster = await Cluster.start(false);
    using sandbox = new Sandbox();
    configure(sandbox, `store:\n  url: ${cluster.url}\n`);
    await using server = await TestServer.start(sandbox);
    await cluster.stopStandby();
    const start = startArguments({ component_name: "web" });
    const first = server.call("track_session_start", start);
    await using sql = cluster.connect();
    await until("the commit to wait for the standby", async () => {
      const rows = await sql`
        SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'`;
      return rows.length > 0;
    });
    await cluster.restart();
    await using after = cluster.connect();
    expect((await after`SELECT 1 FROM sessions`).length).toBe(1);
    // It is there to be read, and nobody may promise it.
    const again = server.call("track_session_start", start);
    for (const { result } of await Promise.all([first, again]))
      expect(result["status"]).not.toBe("tracked");
    await cluster.standby.start();
    await until("it to be acknowledged", async () => {
      const { result } = await server.call("track_session_start", start);
      return result["status"] === "tracked";
    });
    await cluster.failOver();
    await using promoted = cluster.connect();
    expect((await promoted`SELECT 1 FROM sessions`).length).toBe(1);
  },
  400_000,
);
