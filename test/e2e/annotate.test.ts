/** What is added to a session while it runs, and afterwards. */
import { expect, test } from "bun:test";
import { expectFailure } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { id, leave, life, lines } from "../support/spool.ts";

test("inside a session it is that one's, and holds over what it was given before", async () => {
  using sandbox = new Sandbox();
  const script = `${BINARY} annotate 'adapters=["prefect"]' version=2.1 && ${BINARY} annotate 'note=a b' n=2`;
  const run = await sandbox.run([
    ...["shell", "--meta", "version=1", "--meta", "n=1"],
    ...["--", "sh", "-c", script],
  ]);
  expect([run.exitCode, run.stdout, run.stderr]).toEqual([0, "", ""]);
  expect((await sandbox.only()).metadata).toMatchObject({
    ...{ adapters: ["prefect"], version: 2.1, note: "a b", n: 2 },
  });
});

test.each(["alone", "with a server"])(
  "of any other when it is named, %s, and that does not open it again",
  async (setting) => {
    using sandbox = new Sandbox();
    leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
    await using _server =
      setting === "alone" ? null : await TestServer.start(sandbox);
    const run = await sandbox.run([
      ...["annotate", "--session", "00000001", "reviewed=true"],
    ]);
    expect([run.exitCode, run.stderr]).toEqual([0, ""]);
    const { status, metadata } = await sandbox.only();
    expect([status, metadata["reviewed"]]).toEqual(["lost", true]);
  },
);

test("a secret in it comes to no file", async () => {
  using sandbox = new Sandbox();
  const secret = ["hunter", "2", "hunter", "2"].join("");
  const run = await sandbox.run([
    ...["shell", "--", "sh", "-c"],
    `${BINARY} annotate db_password=${secret}`,
  ]);
  expect(run.stderr).toContain("a secret was taken out of it");
  const { metadata } = await sandbox.only();
  expect(Object.keys(metadata)).toContain("db_password");
  const found = await sandbox.command(["grep", "-rlF", secret, sandbox.data]);
  expect([found.exitCode, found.stdout]).toEqual([1, ""]);
});

test("what is wrong is said, and nothing is recorded", async () => {
  using sandbox = new Sandbox();
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1)));
  const stale = { env: { SESSION_BUDDY_SESSION_ID: id(1) } };
  const cases: [string[], number, RegExp, object?][] = [
    [["annotate"], 64, /annotate needs key=value/],
    [["annotate", "x"], 64, /annotate takes key=value, not 'x'/],
    [["annotate", "exit_code=1"], 64, /'exit_code' is measured/],
    [["annotate", "a=1"], 64, /we are in no recorded session/],
    [["annotate", "a=1"], 64, /we are not in the session/, stale],
    [["annotate", "--session", "nobody", "a=1"], 1, /no session 'nobody'/],
    [["annotate", `a=${"x".repeat(70_000)}`], 64, /at most 65536 are recorded/],
  ];
  for (const [args, status, sentence, options] of cases)
    expectFailure(await sandbox.run(args, options), status, sentence);
  expect((await sandbox.only()).metadata).not.toHaveProperty("a");
});
