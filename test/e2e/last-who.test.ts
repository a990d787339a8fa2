/** Who was in and who is, as last(1) and who(1) have it. */
import { expect, test } from "bun:test";
import { expectFailure, plant } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";

const TZ = "Europe/Berlin";

/** One that ended, one by a signal past midnight, one that is lost. */
function planted(sandbox: Sandbox): string[] {
  sandbox.env["TZ"] = TZ;
  return plant(sandbox, [
    { at: "2026-02-06T11:34:56.000Z", username: "les", exit_code: 3 },
    {
      ...{ at: "2026-02-06T22:59:00.000Z", username: "ro ot" },
      ...{ signal: "SIGHUP", component: "zsh" },
    },
    { at: "2026-02-08T08:00:00.000Z", end_source: "recovered" },
  ]);
}

async function screen(sandbox: Sandbox, ...argv: string[]): Promise<string[]> {
  await using pty = new Pty(sandbox, [BINARY, ...argv], { columns: 150 });
  expect(await pty.ended()).toEqual({ code: 0, signal: null });
  return pty.text().trimEnd().split("\r\n");
}

test("last shows who was in, newest first, and how it ended", async () => {
  using sandbox = new Sandbox();
  const [ended, killed, lost] = planted(sandbox) as [string, string, string];
  await sandbox.list();
  const lines = await screen(sandbox, "last");
  expect(lines[0]).toMatch(/^USER +TTY +HOST +STARTED +ENDED +DURATION +/);
  const rows = lines.slice(1).map((line) => line.split(/ {2,}/));
  expect(rows.map((row) => row.slice(0, 6))).toEqual([
    ["les", "-", "host", "Sun 2026-02-08 09:00", "lost 09:01", "1m30s"],
    [
      "ro\\x20ot",
      "-",
      "host",
      "Fri 2026-02-06 23:59",
      "2026-02-07 00:00",
      "1m30s",
    ],
    ["les", "-", "host", "Fri 2026-02-06 12:34", "12:36", "1m30s"],
  ]);
  expect(rows.map((row) => row.at(-1))).toEqual([lost, killed, ended]);
  const { stdout } = await sandbox.run(["last", "1"]);
  expect(stdout).toBe(
    `les\t-\thost\t2026-02-08T09:00:00+01:00\t2026-02-08T09:01:30+01:00\t1m30s\tlost\t-\tplanted\t${lost}\n`,
  );
  const two = await sandbox.run(["last", "2", "--failed", "--json"]);
  expect(
    (JSON.parse(two.stdout) as { session_id: string }[]).map(
      ({ session_id }) => session_id,
    ),
  ).toEqual([killed, ended]);
  const then = ["last", "--at", "2026-02-06 12:35", "--columns", "session_id"];
  expect((await sandbox.run(then)).stdout).toBe(`${ended}\n`);
  expectFailure(await sandbox.run(["last", "les"]), 64, /last takes a whole/);
  expectFailure(
    await sandbox.run(["last", "3", "-n", "3"]),
    64,
    /a count and --limit/,
  );
});

test("who shows who is in with what was typed last, or who was in then", async () => {
  using sandbox = new Sandbox();
  const [ended] = planted(sandbox) as [string];
  await sandbox.list();
  expect(await sandbox.run(["who"])).toMatchObject({ stdout: "", stderr: "" });
  await using shell = new Pty(sandbox, [BINARY, "shell", "--", "bash", "-i"]);
  await shell.expect(/[$#] $/);
  shell.line("echo here; sleep 1000");
  await shell.expect("here\r\n");
  const { session_id, tty } = (await sandbox.list("--active"))[0]!;
  const lines = await screen(sandbox, "who");
  expect(lines[0]).toMatch(/^USER +TTY +HOST +SINCE +DURATION +/);
  expect(lines).toHaveLength(2);
  const row = lines[1]!.split(/ {2,}/);
  expect(row[1]).toBe(tty!.replace("/dev/", ""));
  expect(row[3]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d$/);
  expect(row.slice(-3)).toEqual(["bash", session_id, "echo here; sleep 1000"]);
  const ids = async (...flags: string[]) =>
    (await sandbox.run(["who", ...flags, "--columns", "session_id"])).stdout;
  expect(await ids()).toBe(`${session_id}\n`);
  expect(await ids("--at", "2026-02-06 12:35")).toBe(`${ended}\n`);
  expect(await ids("--host", "nowhere")).toBe("");
});
