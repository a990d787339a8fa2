/** Recordings as files for other programs: asciicast, and text. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Pty } from "../support/pty.ts";
import {
  HEADER,
  blockOf,
  keep,
  recordingOf,
  shown,
} from "../support/recording.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { needs } from "../support/tools.ts";

const E = "\x1b";
const FILE = recordingOf([
  [shown(0, `$ ls\r\n${E}]0;HOSTILE\x07${E}]52;c;SE9T\x07${E}[?1000h`)],
  [shown(0.1, `${E}[31mred${E}[m w\xe4lder \u4e2d\r\n`), shown(0.2, "the end")],
]);

test("as text it is what was to be seen", async () => {
  using sandbox = new Sandbox();
  keep(sandbox, FILE);
  const done = await sandbox.run(["export", "1a2b3c4d", "--format", "txt"]);
  expect(done).toMatchObject({ exitCode: 0, stderr: "" });
  expect(done.stdout).toBe("$ ls\nred wälder 中\nthe end\n");
});

test("a session's cast has its commands as markers, in version 3 and 2", async () => {
  using sandbox = new Sandbox();
  await using shell = new Pty(sandbox, [BINARY, "shell", "--record"]);
  await shell.expect(/[#$] $/);
  shell.line("echo one");
  await shell.expect(/one\s+.*[#$] $/s);
  shell.line("exit");
  await shell.ended();
  const { session_id } = await sandbox.only();
  for (const [format, version] of [
    ["cast", 3],
    ["cast2", 2],
  ] as const) {
    const { stdout, exitCode } = await sandbox.run([
      "export",
      session_id,
      "--format",
      format,
    ]);
    expect(exitCode).toBe(0);
    const [header, ...events] = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(header).toMatchObject({ version });
    const coded = events as [number, string, string][];
    const labels = coded
      .filter(([, code]) => code === "m")
      .map(([, , label]) => label);
    expect(labels).toEqual(["echo one", "exit"]);
    const all = coded
      .filter(([, code]) => code === "o")
      .map(([, , data]) => data)
      .join("");
    expect(Bun.stripANSI(all)).toContain("one\r\n");
  }
});

test("Debian's asciinema plays version 2", async () => {
  if (!needs("asciinema")) return;
  using sandbox = new Sandbox();
  keep(sandbox, FILE);
  const flags = ["--format", "cast2", "--output", "x.cast"];
  const done = await sandbox.run(["export", "1a2b3c4d", ...flags]);
  expect(done).toEqual({ exitCode: 0, signal: null, stdout: "", stderr: "" });
  const script = `asciinema play -s 100 x.cast; echo "status $?"`;
  await using pty = new Pty(sandbox, ["bash", "-c", script]);
  await pty.expect("red wälder 中");
  await pty.expect("the end");
  await pty.expect("status 0");
  expect(pty.raw()).not.toMatch(/HOSTILE|SE9T|\?1000h/);
});

test("what is whole of a damaged one is written, and the rest is named", async () => {
  using sandbox = new Sandbox();
  const broken = Uint8Array.from(
    Buffer.concat([FILE, blockOf([shown(1, "\r\nlast")])]),
  );
  const at = recordingOf([]).length + 30;
  broken[at] = broken[at]! ^ 0xff;
  keep(sandbox, broken);
  for (const format of ["txt", "cast", "cast2"]) {
    const { stdout, stderr, exitCode } = await sandbox.run([
      "export",
      "1a2b3c4d",
      "--format",
      format,
    ]);
    expect(stdout).toContain("last");
    expect(stdout).not.toContain("$ ls");
    expect(stderr).toMatch(
      /session-buddy: the recording is damaged: \d+ B of it could not be read and are left out\n$/,
    );
    expect(exitCode).toBe(0);
  }
});

test("the format says whether the word is a folder or a session", async () => {
  using sandbox = new Sandbox();
  keep(sandbox, FILE);
  const { session_id } = HEADER;
  const all = await sandbox.run(["export", session_id]);
  expect(all.exitCode).toBe(64);
  expect(all.stderr).toContain(`'${session_id}' is the id of a session`);
  expect(existsSync(join(sandbox.home, session_id))).toBe(false);
  const folder = await sandbox.run(["export", `./${session_id}`]);
  expect(folder).toMatchObject({ exitCode: 0 });
  expect(existsSync(join(sandbox.home, session_id, "manifest.json"))).toBe(
    true,
  );
  // There is that folder: it goes on.
  const again = await sandbox.run(["export", session_id]);
  expect(again.stdout).toContain("exported: 0 events");
});

test.each([
  [["--format", "cast"], 64, "export --format cast needs a session"],
  [["x", "--format", "cast", "--json"], 64, "--json is for exports of events"],
  [["x", "--output", "y"], 64, "--output is for recordings"],
  [
    ["x", "--format", "gif"],
    64,
    "--format takes ndjson, parquet, cast, cast2, txt, not 'gif'",
  ],
  [["x", "--format", "txt"], 1, "no session 'x'"],
  [
    [
      "1a2b3c4d",
      "--format",
      "txt",
      "-o",
      ".local/share/session-buddy/recordings/x",
    ],
    64,
    "is one of session-buddy's own files",
  ],
])("what cannot be exported: %j", async (words, exitCode, sentence) => {
  using sandbox = new Sandbox();
  keep(sandbox, FILE);
  const result = await sandbox.run(["export", ...words]);
  expect(result).toMatchObject({ exitCode, stdout: "" });
  expect(result.stderr).toContain(sentence);
});

test("a cast can be looked at: nothing in the file acts on a terminal", async () => {
  using sandbox = new Sandbox();
  keep(sandbox, FILE);
  const flags = ["--format", "cast", "--output", "x.cast"];
  await sandbox.run(["export", "1a2b3c4d", ...flags]);
  const text = readFileSync(join(sandbox.home, "x.cast"), "utf8");
  expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
});
