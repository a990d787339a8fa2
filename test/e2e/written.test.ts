/**
 * The commands that users of this family have in their scripts, each as it stands
 * there: with a server, and without.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { plant } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { needs } from "../support/tools.ts";

for (const served of [false, true])
  describe(served ? "with a server" : "without a server", () => {
    const sandbox = new Sandbox();
    let server: TestServer | null = null;
    /** Active for long, lost, and ended: the newest first. */
    let ids: [active: string, lost: string, ended: string];

    beforeAll(async () => {
      const bin = join(sandbox.home, "bin");
      mkdirSync(bin);
      symlinkSync(BINARY, join(bin, "session-buddy"));
      sandbox.env["PATH"] = `${bin}:${sandbox.env["PATH"]}`;
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

    test("tells its health and its settings", async () => {
      const health = await sandbox.command(["session-buddy", "health"]);
      expect(health.exitCode).toBe(served ? 0 : 2);
      expect(await line("session-buddy config")).toMatch(/^session\.enabled\t/);
    });
  });
