/** Texts that are removed afterwards are in no byte of the database, and do not come back. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { ID, annotation, command, end, start } from "../support/events.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "sb-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Whether a text is in any file of the folder, the log of the database too. */
const onDisk = (text: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .some((entry) =>
      readFileSync(join(entry.parentPath, entry.name)).includes(text),
    );

const secret = (n: number) => ["un", "forget", "table", n].join("");
const EVENTS = [
  start({ reason: secret(1), name: secret(2), metadata: { key: secret(3) } }),
  annotation(1, { metadata: { note: secret(4) } }),
  command(2, { seq: 1, pid: 9, text: secret(5) }),
  command(3, { seq: 2, pid: 9, text: secret(6) }),
  end(4, { metadata: { last: secret(7) } }),
];

test.each([true, false])(
  "texts go for good, beside other users of the database: %p",
  async (others) => {
    const path = join(folder, `a${others}.duckdb`);
    let store = await DuckDBStore.open(path);
    const keeper = () =>
      store.maintenance({
        ...{ spooled: () => [], requireNotOwn: () => {}, alone: !others },
        warn: (reason) => expect(reason).toBe(""),
      });
    await store.append(EVENTS);
    expect(onDisk(secret(5))).toBe(true);

    const [, , one] = EVENTS;
    const request = { session_id: ID, user: "les" };
    const { event_id } = one!;
    const first = await keeper().removeTexts({
      ...request,
      event_ids: [event_id],
    });
    expect(first!.events).toBe(1);
    expect([5, 6].map((n) => onDisk(secret(n)))).toEqual([false, true]);
    const all = { ...request, event_ids: null };
    expect((await keeper().removeTexts(all))!.events).toBe(4);
    for (let n = 1; n <= 7; n++) expect(onDisk(secret(n))).toBe(false);

    // Sent again, and a line of then that comes late.
    await store.append([...EVENTS, command(3, { seq: 3, text: secret(8) })]);
    await store.idle();
    expect(onDisk(secret(8))).toBe(false);
    expect((await keeper().removeTexts(all))!.events).toBe(0);
    await store.close();
    for (let n = 1; n <= 8; n++) expect(onDisk(secret(n))).toBe(false);

    store = await DuckDBStore.open(path);
    expect(await store.get(ID)).toMatchObject({
      ...{ name: null, reason: null, last_command: null, command_count: 3 },
      ...{ status: "ended", metadata: {} },
    });
    const commands = await Array.fromAsync(store.commands({}));
    expect(commands.map(({ text, mark }) => [text, mark])).toEqual(
      Array(3).fill([null, "removed"]),
    );
    const kinds = await Array.fromAsync(store.events({ session_id: ID }));
    const redactions = kinds.filter(
      ({ event }) => event.event_type === "redaction",
    );
    expect(redactions.map(({ event }) => event.redacted_by)).toEqual([
      ["user:les"],
      ["user:les"],
    ]);
    // A command that is given from now on is kept.
    const timestamp = new Date(Date.now() + 1_000).toISOString();
    await store.append([command(0, { text: "ls -l", timestamp })]);
    const [last] = await Array.fromAsync(store.commands({ limit: 1 }));
    expect(last!.text).toBe("ls -l");
    expect(
      await keeper().removeTexts({ ...all, session_id: `${ID}0` }),
    ).toBeNull();
    await store.close();
  },
);
