/**
 * Local time as a person meets it: in tables, details and logs, and in what he
 * types, in whatever form the zone is given to him.
 */
import { expect, test } from "bun:test";
import {
  expectFailure,
  needsRoot,
  plant,
  runPrivately,
} from "../support/host.ts";
import { settled } from "../support/keeping.ts";
import { BINARY, NO_JIT, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

const AT = "2026-02-06T11:34:56.000Z";
const KATHMANDU = "2026-02-06T17:19:56+05:45";
const ZONES = "/usr/share/zoneinfo";

test("whatever names the zone, all that prints or reads local time agrees", async () => {
  using sandbox = new Sandbox();
  const [id] = (await settled(sandbox, [{ at: AT }])) as [string];
  for (const TZ of [
    ...["Asia/Kathmandu", ":Asia/Kathmandu", `${ZONES}/Asia/Kathmandu`],
    ...["NPT-5:45", "<+0545>-5:45"],
  ]) {
    const ask = async (...words: string[]) =>
      (await sandbox.run(words, { env: { TZ } })).stdout;
    expect(await ask("ls")).toContain(`\t${KATHMANDU}\t`);
    expect(await ask("show", id)).toContain(` ${KATHMANDU}\n`);
    const after = (time: string) => ask("ls", "--after", time);
    expect(await after("2026-02-06T17:19:56")).toContain(id);
    expect(await after("2026-02-06T17:19:57")).toBe("");
    const plan = await ask("archive-sessions", "--days", "0", "--dry-run");
    expect(plan).toContain("ended: 2026-02-06T17:21:26+05:45 to");
  }
});

test("a server reads local time as its zone has it, and its log is shown in the reader's", async () => {
  using sandbox = new Sandbox();
  sandbox.env["TZ"] = "NPT-5:45";
  const [id] = plant(sandbox, [{ at: AT }]);
  await using server = await TestServer.start(sandbox);
  const list = async (after: string) => {
    const { result } = await server.call("list_sessions", { after });
    return (result["sessions"] as { session_id: string }[]).length;
  };
  expect(id).toBeString();
  expect(await list("2026-02-06 17:19:56")).toBe(1);
  expect(await list("2026-02-06 17:19:57")).toBe(0);
  const { stdout } = await sandbox.run(["mcp", "logs"]);
  expect(stdout).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+05:45 /);
});

test("an unknown zone is refused where it matters, and nowhere else", async () => {
  using sandbox = new Sandbox();
  const [id] = plant(sandbox, [{ at: AT }]) as [string];
  const options = { env: { TZ: "Asia/Katmandoo" } };
  for (const words of [["ls"], ["show"], ["ls", "--json", "--after", "today"]])
    expectFailure(
      await sandbox.run(words, options),
      5,
      /TZ 'Asia\/Katmandoo' is no time zone that is known here \(try: TZ=/,
    );
  for (const words of [
    ["ls", "--json"],
    ["ls", "--json", "--after", "2026-02-06T11:34:56+00"],
    ["show", "--json"],
  ])
    expect((await sandbox.run(words, options)).stdout).toContain(id);
  const shell = await sandbox.run(["shell", "--", "date"], options);
  expect(shell).toMatchObject({ exitCode: 0, stderr: "" });
});

test("without a JIT names are known and rules are refused", async () => {
  using sandbox = new Sandbox();
  plant(sandbox, [{ at: AT }]);
  const ask = (TZ: string) => sandbox.run(["ls"], { env: { ...NO_JIT, TZ } });
  for (const TZ of ["Asia/Kathmandu", `:${ZONES}/Asia/Kathmandu`])
    expect((await ask(TZ)).stdout).toContain(`\t${KATHMANDU}\t`);
  const rule = await ask("NPT-5:45");
  expectFailure(rule, 5, /TZ 'NPT-5:45' cannot be computed where .* no JIT/);
});

test("without TZ it is the host's zone, a link, a copy, or none", async () => {
  if (!needsRoot("mount")) return;
  using sandbox = new Sandbox();
  plant(sandbox, [{ at: AT }]);
  const ask = async (localtime: string) =>
    runPrivately(
      sandbox,
      `cp -a /etc etc; rm etc/localtime; ${localtime}; mount --bind etc /etc
       ${BINARY} ls; env ${Object.entries(NO_JIT)[0]!.join("=")} ${BINARY} ls`,
      { env: { TZ: undefined } },
    ).finally(() => sandbox.command(["rm", "-rf", "etc"]));
  const times = (stdout: string) =>
    stdout
      .trim()
      .split("\n")
      .map((row) => row.split("\t")[4]);
  const link = await ask(`ln -s ${ZONES}/Asia/Kathmandu etc/localtime`);
  expect(times(link.stdout)).toEqual([KATHMANDU, KATHMANDU]);
  const none = await ask(":");
  expect(times(none.stdout)).toEqual(
    Array(2).fill("2026-02-06T11:34:56+00:00"),
  );
  const copy = await ask(`cp ${ZONES}/Asia/Kathmandu etc/localtime`);
  expect(times(copy.stdout)).toEqual([KATHMANDU]);
  expect(copy.stderr).toContain("/etc/localtime cannot be computed");
  const broken = await ask("echo no zone > etc/localtime");
  expect(broken.stdout).toBe("");
  expect(broken.stderr).toContain("/etc/localtime is no time zone");
  // The zone's file may be missing, as in a slim image: its name is enough.
  const slim = await ask(
    `mkdir none; mount --bind none ${ZONES}; ln -s ${ZONES}/Asia/Kathmandu etc/localtime`,
  );
  expect(times(slim.stdout)).toEqual([KATHMANDU, KATHMANDU]);
});
