/** A terminal that is recorded on a disk that is full, or may not take more: the shell goes on. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { needsRoot } from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import {
  RECORD,
  played,
  prepared,
  recorded,
} from "../support/recorded-screen.ts";
import { BINARY, type SessionJson } from "../support/sandbox.ts";
import { SmallDisk } from "../support/small-disk.ts";

interface Facts {
  bytes: number;
  omitted_bytes: number;
  sha256: string;
  trouble?: string;
}
const factsOf = ({ metadata }: SessionJson) =>
  (metadata as unknown as { recording: Facts }).recording;
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
/** More than may wait for the recorder. */
const NOISE = "head -c 700000 /dev/urandom | od -An -v -tu1";

test.skipIf(!needsRoot("nsenter"))(
  "while its disk is full a shell goes on unrecorded, and is recorded again once there is room",
  async () => {
    using sandbox = prepared();
    const local = join(sandbox.home, ".local");
    mkdirSync(local, { mode: 0o700 });
    await using disk = new SmallDisk(local);
    await using pty = new Pty(sandbox, [...disk.enter, ...RECORD, "bash"]);
    const folder = join(disk.root + sandbox.data, "recordings");
    const now = () => played(join(folder, readdirSync(folder)[0]!));
    const begun = () =>
      existsSync(folder) &&
      readdirSync(folder).some((name) => statSync(join(folder, name)).size > 0);
    const has = (text: string) => () =>
      begun() && now().shown.toString().includes(text);
    await pty.expect(/<1>\$ $/);
    pty.line("echo be''fore");
    await pty.expect(/<2>\$ $/);
    await pty.until("the first output", has("before\r\n"));
    disk.fill();
    pty.line(NOISE);
    await pty.expect(/<3>\$ $/);
    pty.line("echo while it is fu''ll");
    await pty.expect(/^while it is full\r/m);
    await pty.expect(/<4>\$ $/);
    const full = now();
    expect(full.shown.toString()).toContain("before\r\n");
    disk.free();
    pty.line("echo aft''er");
    await pty.until("what came after", has("after\r\n"));
    pty.line("exit 4");
    expect((await pty.ended()).code).toBe(4);
    const list = [BINARY, "list-sessions", "--format", "json"];
    const { stdout } = await sandbox.command([...disk.enter, ...list]);
    const [session] = JSON.parse(stdout) as SessionJson[];
    expect(session).toMatchObject({ status: "ended", exit_code: 4 });
    const { file, omitted, shown } = now();
    const facts = factsOf(session!);
    expect(facts.sha256).toBe(createHash("sha256").update(file).digest("hex"));
    expect(facts.trouble).toMatch(/the disk of '.*' is full/);
    expect(facts.omitted_bytes).toBe(sum(omitted));
    expect(facts.omitted_bytes).toBeGreaterThan(100_000);
    expect(shown.length + facts.omitted_bytes).toBe(
      Buffer.byteLength(pty.raw()),
    );
  },
);

test("past a limit on the size of files, which nobody may raise, the shell goes on", async () => {
  using sandbox = prepared();
  const run = `ulimit -f 16; exec ${RECORD.join(" ")} bash -c '${NOISE}; echo over; exit 6'`;
  await using pty = new Pty(sandbox, ["bash", "-c", run]);
  await pty.expect("over");
  expect((await pty.ended()).code).toBe(6);
  const session = await sandbox.only();
  expect(session).toMatchObject({ status: "ended", exit_code: 6 });
  const { file, shown, torn_bytes } = recorded(sandbox);
  const facts = factsOf(session);
  expect(facts).toMatchObject({
    bytes: file.length,
    trouble: expect.stringMatching(/a limit on the size of files/),
  });
  expect(file.length).toBeLessThanOrEqual(16 * 1024);
  expect(torn_bytes).toBe(0);
  expect(shown.length + facts.omitted_bytes).toBe(Buffer.byteLength(pty.raw()));
});
