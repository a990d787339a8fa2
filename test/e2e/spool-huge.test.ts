/**
 * Files of the spool that are no lines, and larger than any session writes:
 * sparse, or without a newline. Nobody waits for them, and nothing is lost.
 */
import { describe, expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { BEGINNING, readLines } from "../../src/spool/read.ts";
import { command, end } from "../support/events.ts";
import { Place, SETTINGS } from "../support/place.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { id, leave, life, lines, named } from "../support/spool.ts";

const TERABYTES = 2 ** 41;
const HUGE = "bash-20261128-000000-deadbeef.ndjson";

function sparse(path: string): string {
  writeFileSync(path, "", { mode: 0o600 });
  truncateSync(path, TERABYTES);
  return path;
}

describe.each(SETTINGS)("a sparse file of 2 TB, %s,", (setting) => {
  test("is put aside whole; its neighbours come in, and shells are recorded on", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    leave(sandbox, `${id(1)}.ndjson`, lines(life(1, end(2))));
    sparse(join(sandbox.spool, HUGE));
    expect(await place.drain()).toContain(
      `${TERABYTES} bytes are more than any session writes`,
    );
    expect((await sandbox.only()).session_id).toBe(id(1));
    const kept = join(sandbox.spool, "quarantine", `${HUGE}.whole`);
    expect(statSync(kept).size).toBe(TERABYTES);
    expect(existsSync(join(sandbox.spool, HUGE))).toBeFalse();
    const shell = await sandbox.run(["shell", "--", "true"]);
    expect([shell.exitCode, shell.stderr]).toEqual([0, ""]);
    expect(await sandbox.list()).toHaveLength(2);
  });
});

test("locked by somebody, it is left and told of; a server answers and ends when told", async () => {
  using sandbox = new Sandbox();
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1, end(2))));
  const path = sparse(join(sandbox.spool, HUGE));
  const holder = Bun.spawn(["flock", "-F", path, "sh", "-c", "echo; cat"], {
    stdin: "pipe",
    stdout: "pipe",
  });
  try {
    await holder.stdout.getReader().read();
    await using server = await TestServer.start(sandbox);
    expect((await fetch(`${server.origin}/health`)).status).toBe(200);
    const listed = await sandbox.run(["list-sessions"]);
    expect(listed.stdout).toContain(id(1));
    expect(await server.stop()).toBe(0);
    const alone = await sandbox.run(["list-sessions"]);
    expect(alone.stderr).toContain(`left alone: ${HUGE}: ${TERABYTES} bytes`);
    expect(statSync(path).size).toBe(TERABYTES);
  } finally {
    holder.kill();
    await holder.exited;
  }
});

test("in the folder of another machine id it keeps nobody waiting", async () => {
  using sandbox = new Sandbox();
  leave(sandbox, `${id(1)}.ndjson`, lines(life(1, end(2))));
  const folder = join(sandbox.data, "spool", "5".repeat(32));
  mkdirSync(folder, { mode: 0o700 });
  sparse(join(folder, HUGE));
  const drained = await sandbox.run(["drain"]);
  expect([drained.exitCode, drained.stdout]).toEqual([0, ""]);
  expect(drained.stderr).toContain(`1 spool files wait in '${folder}'`);
  expect((await sandbox.only()).session_id).toBe(id(1));
});

test.each(["spool.json", "delivery.json", "../../store.lock"])(
  "%s of 2 TB is not read whole",
  async (name) => {
    using sandbox = new Sandbox();
    leave(sandbox, `${id(1)}.ndjson`, lines(life(1, end(2))));
    sparse(join(sandbox.spool, name));
    const listed = await sandbox.run(["list-sessions"]);
    expect([listed.exitCode, listed.stderr]).toEqual([0, ""]);
    expect(listed.stdout).toContain(id(1));
    const shell = await sandbox.run(["shell", "--", "true"]);
    expect([shell.exitCode, shell.stderr]).toEqual([0, ""]);
  },
);

describe.each(SETTINGS)("a line of 20 MB, %s,", (setting) => {
  test("is kept with its file and not copied; what stands before and after is stored", async () => {
    await using place = await Place.begin(setting);
    const { sandbox } = place;
    const [first, last] = [command(2), end(3)];
    const text = lines(life(1, first)) + "x".repeat(20 * 1024 * 1024) + "\n";
    const path = leave(
      sandbox,
      `${id(1)}.ndjson`,
      text + lines([{ ...last, session_id: id(1) }]),
    );
    const { size } = statSync(path);
    expect(await place.drain()).toContain("longer than 262144 bytes");
    expect(await sandbox.only()).toMatchObject({
      status: "ended",
      command_count: 1,
    });
    const folder = join(sandbox.spool, "quarantine");
    expect(named(folder)).toEqual([`${id(1)}.ndjson.whole`]);
    expect(statSync(join(folder, `${id(1)}.ndjson.whole`)).size).toBe(size);
    expect(await place.drain()).toBe("");
  });
});

test("a line without an end is read once, however often one looks whether it has one", () => {
  using sandbox = new Sandbox();
  const long = "x".repeat(3 * 1024 * 1024);
  const before = lines([command(1)]);
  const path = leave(sandbox, `${id(1)}.ndjson`, before + long);
  const fd = openSync(path, "r+");
  try {
    const read = (from = BEGINNING) => {
      const kinds: string[] = [];
      const some = readLines(fd, "here", from);
      for (;;) {
        const { done, value } = some.next();
        if (done) return { kinds, position: value };
        kinds.push(value.kind);
      }
    };
    const first = read();
    const line = before.length;
    expect(first.position).toEqual({ line, seen: line + long.length });
    // Others have their turn within it.
    expect(first.kinds.filter((kind) => kind === "pause")).not.toEqual([]);
    writeFileSync(path, `y\n${lines([command(2)])}`, { flag: "a" });
    const { kinds, position } = read(first.position);
    expect(kinds).toEqual(["bad", "event"]);
    expect(position.line).toBe(statSync(path).size);
  } finally {
    closeSync(fd);
  }
});
