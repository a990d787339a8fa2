/** The settings that hold, each with where it comes from; and what is wrong in them. */
import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { Sandbox } from "../support/sandbox.ts";

interface Row {
  key: string;
  value: unknown;
  from: string;
}

/** The user's file of a home, and another one. */
function files(sandbox: Sandbox, own: string, other: string) {
  const folder = `${sandbox.home}/.config/session-buddy`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/config.yaml`, own);
  writeFileSync(`${sandbox.home}/other.yaml`, other);
  return [`${folder}/config.yaml`, `${sandbox.home}/other.yaml`] as const;
}

async function shown(sandbox: Sandbox, ...flags: string[]) {
  const ran = await sandbox.run(["config", "--json", ...flags]);
  const rows = JSON.parse(ran.stdout) as Row[];
  const of = new Map(rows.map(({ key, ...rest }) => [key, rest]));
  return { ...ran, rows, of };
}

test("each value is shown with the file and line, or the variable, that it is from", async () => {
  using sandbox = new Sandbox();
  const [own, other] = files(
    sandbox,
    `session:
  lease: 3m
  heartbeat: 10s
server: {port: 9000}
redaction:
  patterns: {ticket: 'TICKET-[0-9]+'}
profiles:
  maha: {component: maha}
`,
    "# a comment\nsession:\n  heartbeat: 20000ms\n",
  );
  sandbox.env["SESSION_BUDDY_PORT"] = "9001";
  sandbox.env["SESSION_BUDDY_SECRET"] = "not-to-be-shown-".repeat(3);
  const { exitCode, stderr, stdout, of } = await shown(
    sandbox,
    ...["--config", other],
  );
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).not.toContain("not-to-be-shown");
  for (const [key, value, from] of [
    ["session.lease", "3m", `${own}:2`],
    ["session.heartbeat", "20s", `${other}:3`],
    ["session.unleased_timeout", "24h", "default"],
    ["session.enabled", true, "default"],
    ["server.port", 9001, "SESSION_BUDDY_PORT"],
    ["server.allowed_hosts", [], "default"],
    ["server.tls.cert", null, "default"],
    ["redaction.patterns.ticket", "TICKET-[0-9]+", `${own}:6`],
    ["profiles.maha", { component: "maha" }, `${own}:8`],
    ["auth.secret", "(set)", "SESSION_BUDDY_SECRET"],
    ["log.level", "info", "default"],
    ["data_dir", sandbox.data, "default"],
  ] as const)
    expect([key, of.get(key)]).toEqual([key, { value, from } as never]);
  // The same in a pipe, where no cell has a blank.
  const { stdout: piped } = await sandbox.run(["config", "--config", other]);
  expect(piped).toContain(`session.heartbeat\t${other}:3\t20s\n`);
  expect(piped).toContain("server.port\tSESSION_BUDDY_PORT\t9001\n");
  expect(piped).not.toContain(" ");
});

test("without any file all is as it is by default", async () => {
  using sandbox = new Sandbox();
  const { rows, exitCode } = await shown(sandbox);
  expect(exitCode).toBe(0);
  expect(new Set(rows.map(({ from }) => from))).toEqual(new Set(["default"]));
  const check = await sandbox.run(["config", "--check"]);
  expect(check).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
});

test("--check tells all that is wrong, with file, line and key", async () => {
  using sandbox = new Sandbox();
  const [own, other] = files(
    sandbox,
    "server:\n  prot: 1\nsession: {lease: 0s}\n",
    "server: {port: 70000}\n",
  );
  sandbox.env["SESSION_BUDDY_LOG_LEVEL"] = "loud";
  const flags = ["config", "--config", other];
  const check = await sandbox.run([...flags, "--check"]);
  expect([check.exitCode, check.stdout]).toEqual([5, ""]);
  const lines = check.stderr.trimEnd().split("\n");
  expect(lines).toHaveLength(4);
  for (const [i, start] of [
    `${own}:2: server.prot is not a setting (known: `,
    `${own}:3: session.lease takes a duration`,
    `${other}:1: server.port takes a port`,
    "the environment: SESSION_BUDDY_LOG_LEVEL takes debug",
  ].entries())
    expect(lines[i]).toStartWith(`session-buddy: ${start}`);
  // What holds nevertheless is shown, and it is told that some does not.
  const all = await sandbox.run(flags);
  expect(all).toMatchObject({ exitCode: 5, stderr: check.stderr });
  expect(all.stdout).toContain("server.port\tdefault\t8678\n");
});
