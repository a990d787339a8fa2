/**
 * The commands that users of this family have in their scripts, each as it stands
 * there: with a server, and without.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { plant } from "../support/host.ts";
import { tidied, withExecutable } from "../support/newcomer.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer, readUntil } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { until } from "../support/wait.ts";

for (const served of [false, true])
  describe(served ? "with a server" : "without a server", () => {
    const sandbox = withCommand();
    let server: TestServer | null = null;
    /** Active for long, lost, and ended: the newest first. */
    let ids: [active: string, lost: string, ended: string];

    beforeAll(async () => {
      ids = plant(sandbox, [
        {
          ...{ component: "mahavishnu", at: "2026-02-07T10:00:00.000Z" },
          ...{ end_source: null, metadata: { adapters: ["prefect"] } },
        },
        { at: "2026-02-06T11:00:00.000Z", end_source: "recovered" },
        { at: "2026-02-01T00:00:00.000Z", exit_code: 3 },
      ]) as typeof ids;
      sandbox.env["ID"] = ids[2];
      if (served) server = await TestServer.start(sandbox);
      await sandbox.list();
    });
    afterAll(async () => {
      await server?.[Symbol.asyncDispose]();
      sandbox[Symbol.dispose]();
    });

    /** What a line of a script prints; nothing else is said, and it succeeds. */
    const line = async (script: string, said = ""): Promise<string> => {
      const ran = await sandbox.command([
        "bash",
        "-o",
        "pipefail",
        "-c",
        script,
      ]);
      expect([script, ran.exitCode, ran.stderr]).toEqual([script, 0, said]);
      return ran.stdout;
    };
    const firsts = (stdout: string) =>
      stdout
        .split("\n")
        .filter((row) => row !== "")
        .map((row) => row.split("\t")[0]!);

    test("lists", async () => {
      const list = "session-buddy list-sessions --type admin_shell";
      expect(firsts(await line(list))).toEqual(ids);
      expect(firsts(await line("session-buddy ls"))).toEqual(ids);
      // The reader that has its line ends us; that is no failure.
      expect(await line(`${list} | head -1 | awk '{print $1}'`)).toBe(
        `${ids[0]}\n`,
      );
      if (needs("jq"))
        expect(
          await line(
            `${list} --limit 1 --format json | jq -r '.[0].session_id'`,
          ),
        ).toBe(`${ids[0]}\n`);
      const csv = join(sandbox.home, "sessions.csv");
      expect(
        await line(
          `${list} --after 2026-02-01 --before 2026-02-08 --output sessions.csv`,
        ),
      ).toBe("");
      expect(existsSync(csv)).toBe(true);
      const rows = readFileSync(csv, "utf8").trimEnd().split("\r\n");
      expect(rows.map((row) => row.split(",")[0]!)).toEqual([
        "session_id",
        ...ids,
      ]);
      expect(
        firsts(
          await line(
            "session-buddy list-sessions --component mahavishnu --user les --duration-greater 3600 --status active --incomplete",
          ),
        ),
      ).toEqual([ids[0]]);
    });

    test("shows one", async () => {
      const shown = await line("session-buddy show-session $ID");
      expect(shown).toContain(ids[2]);
      expect(await line("session-buddy get-session $ID")).toBe(shown);
      expect(await line("session-buddy show ${ID##*-}")).toBe(shown);
      expect(
        await line("session-buddy show-session $ID | grep -A 20 metadata"),
      ).toMatch(/^metadata:\n {2}version: -\n {2}adapters: \[\]\n/);
      if (!needs("jq")) return;
      expect(
        await line(
          "session-buddy show-session $ID --format json | jq .duration_seconds",
        ),
      ).toBe("90\n");
    });

    test("lists events, of all and of one", async () => {
      const events = await line("session-buddy list-events");
      for (const id of ids) expect(events).toContain(id);
      const own = await line("session-buddy list-events --session-id $ID");
      expect(own.trimEnd().split("\n")).toHaveLength(2);
    });

    test("ends those that nobody saw end", async () => {
      const incomplete = "session-buddy list-sessions --incomplete";
      expect(firsts(await line(incomplete))).toEqual(ids.slice(0, 2));
      if (!needs("jq")) return;
      const all = `${incomplete} --format json | jq -r '.[].session_id' | xargs -I {} session-buddy end-session {}`;
      const ran = await sandbox.command(["bash", "-c", all]);
      // The one that lives is refused, as xargs says by its status; the other ends.
      expect(ran.exitCode).toBe(123);
      expect(ran.stderr).toContain(`'${ids[0]}' is active`);
      expect(firsts(await line(incomplete))).toEqual([ids[0]]);
      await line(
        `session-buddy end-session $ID`,
        `session-buddy: session '${ids[2]}' had ended already\n`,
      );
    });

    test("wraps a program, whose status it has", async () => {
      const before = firsts(await line("session-buddy list-sessions"));
      await line("session-buddy shell -- sh -c 'exit 0'");
      const flags = "--component mahavishnu --meta ticket=4711 --quiet";
      const wrapped = `session-buddy shell ${flags} -- sh -c 'exit 3'`;
      expect(await line(`${wrapped} || echo $?`)).toBe("3\n");
      // Without a terminal $SHELL reads its commands from stdin, as ever.
      expect(await line("echo 'exit 4' | session-buddy shell || echo $?")).toBe(
        "4\n",
      );
      const after = firsts(await line("session-buddy list-sessions"));
      expect(after).toHaveLength(before.length + 3);
      expect(after[1]).toStartWith("mahavishnu-");
    });

    test.each(["sessions", "duration", "components", "errors", "active"])(
      "counts %s",
      async (metric) => {
        const words = `session-buddy analytics ${metric}`;
        expect(await line(words)).not.toBe("");
        const flags = "--days 7 --component mahavishnu --json";
        const { rows, ...asked } = JSON.parse(
          await line(`${words} ${flags}`),
        ) as { rows: object[]; metric: string };
        expect(asked.metric).toBe(metric);
        // A row a day; one component, one outcome, one who is in.
        const days = ["sessions", "duration"].includes(metric);
        expect(rows).toHaveLength(days ? 8 : 1);
      },
    );

    test("counts all of it", async () => {
      const report = await line("session-buddy analytics report");
      for (const part of ["sessions", "duration", "components", "errors"])
        expect(report).toContain(`${part}\t`);
      const flags = "--days 7 --component mahavishnu --json";
      const whole = await line(`session-buddy analytics report ${flags}`);
      expect(JSON.parse(whole)).toMatchObject({
        totals: { sessions: 1, failed: 1 },
      });
    });

    test("archives what is old", async () => {
      // It waits in the spool for a minute after it was stored.
      rmSync(join(sandbox.spool, "done"), { recursive: true, force: true });
      expect(
        await line("session-buddy archive-sessions --days 30"),
      ).toStartWith("archived: 2 sessions, ");
      expect(await line("session-buddy list-sessions")).not.toContain(ids[2]);
      expect(await line("session-buddy archive-sessions --days 30")).toBe(
        "archived: 0 sessions, 0 events\n",
      );
    });

    test("tells its health and its settings", async () => {
      const health = await sandbox.command(["session-buddy", "health"]);
      expect(health.exitCode).toBe(served ? 0 : 2);
      expect(await line("session-buddy config")).toMatch(/^session\.enabled\t/);
    });
  });

test("starts a server, asks it how it is, starts it anew and ends it", async () => {
  using sandbox = withCommand();
  await using _ = tidied(sandbox);
  const port = await freePort();
  sandbox.env["SESSION_BUDDY_PORT"] = `${port}`;
  const run = (script: string) => sandbox.command(["bash", "-c", script]);
  const url = `http://127.0.0.1:${port}/mcp`;
  for (const word of ["stop", "status", "health"]) {
    const { exitCode, stderr } = await run(`session-buddy mcp ${word}`);
    expect([word, exitCode]).toEqual([word, 2]);
    expect(stderr).toMatch(/^session-buddy: the server is not running \(try: /);
  }
  const loopback = "--host 127.0.0.1 --transport http";
  for (const start of [
    "session-buddy mcp start > mcp.log 2>&1 &",
    `session-buddy mcp start ${loopback} --port ${port} > mcp.log 2>&1 &`,
    "session-buddy mcp start --detach",
    `session-buddy mcp start ${loopback} --port auto --detach`,
  ]) {
    expect((await run(start)).exitCode).toBe(0);
    await until(start, async () => {
      const { stdout } = await run("session-buddy mcp status");
      return stdout.startsWith("running: ");
    });
    for (const [words, shown] of [
      [
        "status",
        start.includes("auto") ? /running: http:/ : `running: ${url} `,
      ],
      ["status --json", /"running": true/],
      ["health", "healthy\n"],
      ["health --json", /"status": "ok"/],
      ["logs", "ready"],
      ["logs -n 100", "ready"],
      ["restart --timeout 90", "restarted: http://127.0.0.1:"],
      ["restart --force --timeout 10 --json", /"running":true/],
      ["stop --force --timeout 10 --json", /"stopped":true/],
    ] as const) {
      const { exitCode, stdout, stderr } = await run(
        `session-buddy mcp ${words}`,
      );
      expect([start, words, exitCode, stderr]).toEqual([start, words, 0, ""]);
      expect(stdout).toMatch(shown);
    }
    expect((await run("session-buddy mcp status")).exitCode).toBe(2);
  }
  // What was logged is there without a server, too; until somebody ends it.
  const follow = ["session-buddy", "mcp", "logs", "-f", "-n", "100"];
  const { env } = sandbox;
  const logs = Bun.spawn(follow, { env, stdout: "pipe", stderr: "inherit" });
  expect(await readUntil(logs.stdout, /stopped\n/)).toContain("ready");
  logs.kill();
  await logs.exited;
}, 400_000);

test("serves a client on stdin and stdout", async () => {
  using sandbox = withCommand();
  const ping = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });
  const line = `echo '${ping}' | session-buddy mcp start --transport stdio`;
  const { exitCode, stdout } = await sandbox.command(["bash", "-c", line]);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ jsonrpc: "2.0", id: 1, result: {} });
});

/** One whose PATH has session-buddy. */
function withCommand(): Sandbox {
  const sandbox = new Sandbox();
  sandbox.env["PATH"] = withExecutable(sandbox);
  return sandbox;
}
