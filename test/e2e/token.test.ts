/** `session-buddy token`, and secrets and tokens that are wrong. */
import { expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeJwt, jwtVerify } from "jose";
import { configure, expectFailure } from "../support/host.ts";
import { Sandbox } from "../support/sandbox.ts";

const SECRET = "correct horse battery staple, 46 bytes in all.";
const env = { SESSION_BUDDY_SECRET: SECRET };

/** The claims of the one token that a command printed. */
async function claimsOf(
  sandbox: Sandbox,
  words: string[],
  secret: string,
  variables: Record<string, string>,
) {
  const run = await sandbox.run(["token", ...words], { env: variables });
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  expect(run.stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  const key = new TextEncoder().encode(secret);
  const token = run.stdout.trim();
  const { payload } = await jwtVerify(token, key, {
    // By its own clock: one for a second may be over by now.
    currentDate: new Date(decodeJwt(token).iat! * 1_000),
    algorithms: ["HS256"],
    audience: "session-buddy",
    issuer: "session-buddy",
  });
  return { ...payload, ttl: payload.exp! - payload.iat! };
}

test("a token says whose it is, for how long, and for what", async () => {
  using sandbox = new Sandbox();
  const user = Bun.spawnSync(["id", "-un"]).stdout.toString().trim();
  const host = Bun.spawnSync(["uname", "-n"]).stdout.toString().trim();
  expect(await claimsOf(sandbox, [], SECRET, env)).toMatchObject({
    ...{ sub: `${user}@${host}`, ttl: 3_600, scope: "write" },
  });
  const words = ["--subject", "ci", "--ttl", "90s", "--scope=read"];
  expect(await claimsOf(sandbox, words, SECRET, env)).toMatchObject({
    ...{ sub: "ci", ttl: 90, scope: "read" },
  });
  for (const [ttl, seconds] of [
    ["1s", 1],
    ["365d", 31_536_000],
    ["90", 90],
  ] as const)
    expect(await claimsOf(sandbox, ["--ttl", ttl], SECRET, env)).toMatchObject({
      ttl: seconds,
    });
});

test("the secret comes from the family's variable or from a file, too", async () => {
  using sandbox = new Sandbox();
  const shared = "the secret of the family, for all of its servers";
  const file = join(sandbox.home, "secret");
  writeFileSync(file, `${SECRET}\n`, { mode: 0o600 });
  configure(sandbox, `auth: {secret_file: ${file}}\n`);
  await claimsOf(sandbox, [], SECRET, {});
  await claimsOf(sandbox, [], shared, { BODAI_SHARED_SECRET: shared });
  chmodSync(file, 0o644);
  const run = await sandbox.run(["token"]);
  expectFailure(run, 5, /'.*\/secret' can be read or written by others/);
  expect(run.stderr).not.toContain(SECRET);
});

test("without a good secret there is no token", async () => {
  using sandbox = new Sandbox();
  expectFailure(
    await sandbox.run(["token"]),
    5,
    /: no secret is set that could sign a token \(set SESSION_BUDDY_SECRET/,
  );
  const weak = { SESSION_BUDDY_SECRET: "hunter2" };
  const run = await sandbox.run(["token"], { env: weak });
  expectFailure(
    run,
    5,
    /: Secret for 'session-buddy' is too short \(7 chars\)\. Minimum 32 characters required\. \(/,
  );
  expect(run.stderr).not.toContain("hunter2");
});

test.each([
  [["--ttl", "0"], /--ttl takes a duration from 1s to 365d, not '0'/],
  [["--ttl", "366d"], /--ttl takes a duration .* not '366d'/],
  [["--ttl", "500ms"], /--ttl takes a duration .* not '500ms'/],
  [["--ttl", "soon"], /--ttl takes a duration .* not 'soon'/],
  [["--scope", "root"], /--scope takes read, review, write, admin, not 'root'/],
  [["--host", ""], /--host takes 1 to 200 characters/],
  [["--user", "a\nb"], /--user takes .* none of them a control character/],
  [["--subject", "a\x1b[2J"], /--subject takes .* control character/],
  [["--subject", ""], /--subject takes 1 to 200 characters/],
  [["--subject", "x".repeat(201)], /--subject takes 1 to 200 characters/],
  [["--tll", "1h"], /token has no flag '--tll' \(did you mean --ttl\?/],
  [["now"], /token takes no word 'now'/],
])("token %j is refused with the way out", async (words, sentence) => {
  using sandbox = new Sandbox();
  expectFailure(await sandbox.run(["token", ...words], { env }), 64, sentence);
});
