/** The tool by which agents and pages say something of a session. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { remarksOn } from "../../src/model/remarks.ts";
import { ID, annotation, end, start } from "../support/events.ts";
import { ToolHost } from "../support/mcp.ts";
import { mintToken } from "../support/token.ts";

const secret = "correct horse battery staple, 46 bytes in all.";
const by = (subject: string, scope: "write" | "admin") => ({
  token: mintToken(secret, { subject, ttl_seconds: 600, scope }, Date.now()),
});

let host: ToolHost;
beforeAll(async () => {
  host = await ToolHost.start({ secret });
  await host.store.append([start({ tags: ["test"] }), end(5)]);
});
afterAll(() => host[Symbol.asyncDispose]());

const say = async (args: object, as = by("root", "admin")) =>
  (await host.call("annotate_session", { session_id: ID, ...args, ...as }))
    .result;

test("changes what a session is said to be, and leaves its life alone", async () => {
  const before = await host.store.get(ID);
  const kept = { session_id: ID, status: "kept", error: null };
  const said = {
    ...{ note: "rolled back", name: "night", metadata: { ticket: 4711 } },
    ...{ add_tags: ["incident"], remove_tags: ["test"] },
  };
  expect(await say({ session_id: "1a2b3c4d", ...said })).toEqual(kept);
  const after = await host.store.get(ID);
  expect(after).toMatchObject({
    ...{ last_note: "rolled back", name: "night", tags: ["incident"] },
    ...{ status: "ended", last_seen: before!.last_seen },
    metadata: { ticket: 4711 },
  });
});

test("another's remark stands beside it, whole", async () => {
  const before = await host.store.get(ID);
  const said = { note: "mine", name: "mine", add_tags: ["mine"] };
  const result = await say(said, by("web01", "write"));
  expect(result).toEqual({ session_id: ID, status: "remark", error: null });
  expect(await host.store.get(ID)).toEqual(before);
  const events = await Array.fromAsync(
    host.store.events({ session_id: ID, kinds: ["annotation"] }),
  );
  expect(events.at(-1)).toMatchObject({
    event: said,
    provenance: { reporter: "token:web01" },
  });
});

test("a secret in it is redacted", async () => {
  const password = ["hunter", "2", "hunter", "2"].join("");
  await say({ note: `db_password=${password}` });
  const { last_note } = (await host.store.get(ID))!;
  expect(last_note).toContain("db_password=");
  expect(last_note).not.toContain(password);
});

test.each([
  [{}, /^Annotation failed: nothing is said of it/],
  [{ metadata: { exit_code: 7 } }, /nothing is said of it/],
  [{ session_id: "nobody", note: "x" }, /no session 'nobody'/],
  [{ note: "x".repeat(70_000) }, /note: a text of more than 65536 bytes/],
])("%j is refused", async (args, error) => {
  const result = await say(args);
  expect(result).toMatchObject({
    status: "error",
    error: expect.stringMatching(error),
  });
});

test("notes are in the order in which they were said, whichever file was read first", async () => {
  const id = `${ID.slice(0, -1)}0`;
  const notes = [3, 1, 2].map((second) =>
    annotation(second, { session_id: id, note: `${second}` }),
  );
  await host.store.append([start({ session_id: id }), ...notes]);
  const said = await remarksOn(host.store, (await host.store.get(id))!);
  expect(said.notes.map(({ note }) => note)).toEqual(["1", "2", "3"]);
});
