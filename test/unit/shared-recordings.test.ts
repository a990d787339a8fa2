/**
 * A folder of recordings that servers share: no spool there tells which session goes on,
 * and what its recorder writes to stays all the same.
 */
import { expect, test } from "bun:test";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keptRecordings } from "../../src/access/kept-recordings.ts";
import { moveRecordings } from "../../src/access/move-recordings.ts";
import { makeRoom, removeOld } from "../../src/access/removed-recordings.ts";
import { SILENT } from "../../src/model/progress.ts";
import { lockFile } from "../../src/os/file.ts";

const DAY_MS = 86_400_000;
const [RUNS, ...OVER] = [1, 2, 3].map(
  (n) => `bash-20260206-12000${n}-1a2b3c4d`,
);

/** Looks whether a recording is written to, again and again. */
const LOOK = `
const { isWritten } = await import(process.argv[1]);
let n = 0;
for (let i = 0; i < 20_000; i++) n += Number(isWritten(process.argv[2]));
console.log(n);
`;

test("however many look at once whether it is written, none is taken for who does", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sb-shared-"));
  const path = join(folder, "over.rec");
  writeFileSync(path, "shown", { mode: 0o600 });
  const room = join(import.meta.dir, "../../src/access/kept-recordings.ts");
  const argv = [process.execPath, "-e", LOOK, room, path];
  const all = [1, 2].map(() => Bun.spawn(argv, { stdout: "pipe" }));
  const said = all.map(({ stdout }) => new Response(stdout).text());
  expect(await Promise.all(said)).toEqual(["0\n", "0\n"]);
  rmSync(folder, { recursive: true });
}, 400_000);

test("what is being written goes neither by age nor for room, nor is it moved", () => {
  const root = mkdtempSync(join(tmpdir(), "sb-shared-"));
  const folder = join(root, "recordings");
  mkdirSync(folder, { mode: 0o700 });
  // Whoever sits before it has done nothing for days.
  for (const [n, id] of [RUNS!, ...OVER].entries()) {
    const path = join(folder, `${id}.rec`);
    writeFileSync(path, "shown", { mode: 0o600 });
    const day = new Date((n + 1) * DAY_MS);
    utimesSync(path, day, day);
  }
  const recorder = openSync(join(folder, `${RUNS}.rec`), "r+");
  try {
    expect(lockFile(recorder)).toBe("held");
    expect(keptRecordings(root).map(({ live }) => live)).toEqual([
      ...[true, false, false],
    ]);
    const to = join(root, "to");
    mkdirSync(to, { mode: 0o700 });
    expect(moveRecordings(root, to, SILENT)).toMatchObject({
      ...{ files: 2, running: 1 },
    });
    const ids = (all: { session_id: string }[]) =>
      all.map(({ session_id }) => session_id);
    const old = removeOld(root, DAY_MS, 3.5 * DAY_MS);
    expect(ids(old)).toEqual([OVER[0]!]);
    expect(ids(makeRoom(root, 0, 4 * DAY_MS))).toEqual([OVER[1]!]);
    expect(readdirSync(folder)).toContain(`${RUNS}.rec`);
  } finally {
    closeSync(recorder);
  }
  expect(makeRoom(root, 0, 4 * DAY_MS)).toHaveLength(1);
  rmSync(root, { recursive: true });
});
