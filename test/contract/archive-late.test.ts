/** An archive that has to begin anew, in a folder where somebody renames things. */
import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { at, command, end, start } from "../support/events.ts";
import { id } from "./expected.ts";

const SESSIONS = 3_000;

/** Looks at every turn of the loop until something is there. */
async function present(there: () => boolean): Promise<void> {
  while (!there()) await new Promise((resolve) => setImmediate(resolve));
}

test("what an archive removes of itself is its own, whatever has its name by now", async () => {
  const home = mkdtempSync(join(tmpdir(), "sb-late-"));
  const store = await DuckDBStore.open(join(home, "sessions.duckdb"));
  try {
    const lives = Array.from({ length: SESSIONS }, (_, n) => [
      start({ session_id: id(n) }),
      end(5, { session_id: id(n) }),
    ]);
    await store.append(lives.flat());
    const maintenance = store.maintenance({
      ...{ spooled: () => [], alone: false, warn() {}, requireNotOwn() {} },
    });
    const folder = join(home, "archive");
    const request = { ended_before: at(10), keep_tagged: false };
    const done = maintenance.archive(request, folder).then(
      () => "archived",
      (error: Error) => error.message,
    );
    // While it is written a session is heard of again.
    await present(() =>
      readdirSync(home).some((name) =>
        existsSync(join(home, name, "archive/sessions.parquet")),
      ),
    );
    await store.append([command(6, { session_id: id(1) })]);
    await present(() => existsSync(folder));
    renameSync(folder, join(home, "taken"));
    mkdirSync(folder);
    writeFileSync(join(folder, "mine"), "kept");
    expect(await done).toContain("archive' exists already");
    expect(readFileSync(join(folder, "mine"), "utf8")).toBe("kept");
    expect(readdirSync(join(home, "taken"))).toEqual([]);
    expect((await store.stats({})).sessions).toBe(SESSIONS);
  } finally {
    await store.close();
    rmSync(home, { recursive: true });
  }
});
