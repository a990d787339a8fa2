/** The end of a session that nobody saw end, declared by hand. */
import { expect, test } from "bun:test";
import { expectFailure, plant } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { mintToken } from "../support/token.ts";
import { needs } from "../support/tools.ts";

const LOST = { end_source: "recovered" } as const;

for (const [where, flags] of [
  ["in the file", null],
  ["by a server", []],
] as const) {
  const start = async (sandbox: Sandbox) =>
    flags && (await TestServer.start(sandbox));

  test(`${where} a lost session is ended, at its last sign of life`, async () => {
    if (!needs("jq")) return;
    using sandbox = new Sandbox();
    const [lost, other, ended] = plant(sandbox, [LOST, LOST, {}]) as string[];
    await using _server = await start(sandbox);
    const [before] = await sandbox.list("--status", "lost");
    expect(before!.end_time).toBe("2026-02-06T11:36:26.000Z");
    // As those who clean up write it.
    const all = `set -o pipefail; ${BINARY} list-sessions --incomplete --format json |
      jq -r '.[].session_id' | xargs -I {} ${BINARY} end-session {}`;
    expect(await sandbox.command(["bash", "-c", all])).toMatchObject({
      exitCode: 0,
      stdout: "",
    });
    expect(await sandbox.list("--incomplete")).toEqual([]);
    for (const row of (await sandbox.list()).filter(
      ({ session_id }) => session_id !== ended,
    )) {
      expect([lost, other]).toContain(row.session_id);
      expect(row).toMatchObject({
        ...{ status: "ended", end_source: "declared", exit_code: null },
        ...{ end_time: before!.end_time, duration_seconds: 90 },
      });
    }
    const again = await sandbox.run(["end-session", lost!.slice(-8), ended!]);
    expect(again.exitCode).toBe(0);
    expect(again.stderr).toBe(
      [lost, ended]
        .map((id) => `session-buddy: session '${id}' had ended already\n`)
        .join(""),
    );
  });

  test(`${where} a live one is refused, and ends in the records with --force`, async () => {
    using sandbox = new Sandbox();
    const [lost] = plant(sandbox, [LOST]) as [string];
    await using _server = await start(sandbox);
    await using shell = new Pty(sandbox, [BINARY, "shell", "--", "cat"]);
    await shell.expect(/Session ID: \S+/);
    await shell.until("its child", () => shell.text().includes("─\r\n"));
    const [live] = await sandbox.list("--active");
    const id = live!.session_id;
    const refused = await sandbox.run(["end-session", id]);
    expectFailure(
      refused,
      1,
      new RegExp(`'${id}' is active on .* \\(.*--force\\)`),
    );
    // The others of a list are ended nevertheless.
    const both = await sandbox.run(["end-session", id, "nobody", lost]);
    expect(both.exitCode).toBe(1);
    expect(both.stderr).toContain("is active on");
    expect(both.stderr).toContain("no session 'nobody'");
    expect((await sandbox.list("--status", "ended"))[0]!.session_id).toBe(lost);
    expect(await sandbox.run(["end-session", id, "--force"])).toMatchObject({
      exitCode: 0,
      stderr: `session-buddy: session '${id}' is declared as ended\n`,
    });
    const row = async () =>
      (await sandbox.list()).find(({ session_id }) => session_id === id)!;
    expect(await row()).toMatchObject({
      ...{ status: "ended", end_source: "declared" },
    });
    // Its shell lives, and its own end is what holds.
    shell.type("\x04");
    expect(await shell.ended()).toEqual({ code: 0, signal: null });
    expect(await row()).toMatchObject({
      ...{ status: "ended", end_source: "observed", exit_code: 0 },
    });
  });
}

test("without an id, or with one that is empty, it is told how", async () => {
  using sandbox = new Sandbox();
  expectFailure(await sandbox.run(["end-session"]), 64, /needs an id/);
  expectFailure(await sandbox.run(["end-session", ""]), 64, /is empty/);
});

test("a server lets those end a session who reported it, or may act for all", async () => {
  using sandbox = new Sandbox();
  const [lost] = plant(sandbox, [LOST]) as [string];
  const secret = "s".repeat(40);
  await using server = await TestServer.start(sandbox, {
    env: { SESSION_BUDDY_SECRET: secret },
  });
  using elsewhere = new Sandbox();
  elsewhere.env["SESSION_BUDDY_MCP_ENDPOINT"] = server.url;
  const endWith = (scope: "write" | "admin") =>
    elsewhere.run(["end-session", lost], {
      env: {
        SESSION_BUDDY_TOKEN: mintToken(
          secret,
          { subject: "another", ttl_seconds: 600, scope },
          Date.now(),
        ),
      },
    });
  expectFailure(
    await endWith("write"),
    6,
    /cannot be ended from here: .*another reporter.* \(who reported it may/,
  );
  expect(await endWith("admin")).toMatchObject({ exitCode: 0 });
});
