/**
 * A session tracked by curl alone: what a shell that knows no MCP library does,
 * with the payloads that the Python shells build.
 */
import { expect, test } from "bun:test";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { needs } from "../support/tools.ts";

const EVENT_ID = "550e8400-e29b-41d4-a716-446655440000";
const SESSION_ID = "mahavishnu-20260206-123456-550e8400";

/** One tool call, as typed at a prompt. */
async function curl(
  server: TestServer,
  tool: string,
  args: object,
): Promise<Record<string, unknown>> {
  const message = {
    ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
    params: { name: tool, arguments: args },
  };
  const { stdout, stderr, exitCode } = await server.sandbox.command([
    ...["curl", "-sS", server.url, "-H", "Content-Type: application/json"],
    ...["-d", JSON.stringify(message)],
  ]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  const { result } = JSON.parse(stdout) as {
    result: {
      structuredContent: Record<string, unknown>;
      content: { type: string; text: string }[];
    };
  };
  // The text is the same object, compact.
  expect(JSON.parse(result.content[0]!.text)).toEqual(result.structuredContent);
  return result.structuredContent;
}

const END = { session_id: SESSION_ID, timestamp: "2026-02-06T13:34:56.789Z" };

test("start, the same start again, end, a second end: one session, ended, an hour long", async () => {
  if (!needs("curl")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const start = startArguments({ event_id: EVENT_ID });
  const tracked = { session_id: SESSION_ID, status: "tracked", error: null };
  expect(await curl(server, "track_session_start", start)).toEqual(tracked);
  expect(await curl(server, "track_session_start", start)).toEqual(tracked);
  const active = await sandbox.only();
  expect(active).toMatchObject({
    ...{ session_id: SESSION_ID, status: "active", end_time: null },
    ...{ session_type: "admin_shell", component_name: "mahavishnu" },
    ...{ username: "les", hostname: "ops-1", working_directory: "/srv/app" },
    ...{ python_version: "3.13.1", shell_type: "IPythonShell" },
    metadata: {
      ...{ version: "0.9.1", adapters: ["prefect", "agno"] },
      ...{ cli_preprocessing_enabled: null, tab_completion_enabled: null },
      command_tree_size: null,
    },
  });
  const ended = { session_id: SESSION_ID, status: "ended" };
  const end = { ...END, event_type: "session_end", metadata: { note: "done" } };
  expect(await curl(server, "track_session_end", end)).toMatchObject(ended);
  const later = { ...END, timestamp: "2026-02-06T20:00:00Z" };
  expect(await curl(server, "track_session_end", later)).toMatchObject(ended);
  const session = await sandbox.only();
  expect(session).toMatchObject({
    ...{ status: "ended", duration_seconds: 3600, end_source: "observed" },
    end_time: "2026-02-06T13:34:56.789Z",
  });
  expect(session.metadata["note"]).toBe("done");
});

test("an end of a session that nobody knows is not_found", async () => {
  if (!needs("curl")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  for (const session_id of ["nobody-20260206-123456-00000000", "x", ""])
    expect(
      await curl(server, "track_session_end", { ...END, session_id }),
    ).toMatchObject({ status: "not_found" });
  expect(await sandbox.list()).toEqual([]);
});

test("an end that comes before its start is joined when the start comes", async () => {
  if (!needs("curl")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  expect(await curl(server, "track_session_end", END)).toMatchObject({
    status: "not_found",
  });
  const start = startArguments({ event_id: EVENT_ID });
  await curl(server, "track_session_start", start);
  expect(await sandbox.only()).toMatchObject({
    ...{ session_id: SESSION_ID, status: "ended", duration_seconds: 3600 },
  });
});

test("an end may carry the start result's whole JSON text as session_id", async () => {
  if (!needs("curl")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const start = startArguments({ event_id: EVENT_ID });
  const result = await curl(server, "track_session_start", start);
  const session_id = JSON.stringify(result);
  expect(
    await curl(server, "track_session_end", { ...END, session_id }),
  ).toMatchObject({ session_id: SESSION_ID, status: "ended" });
  expect(await sandbox.only()).toMatchObject({ status: "ended" });
});

test("an end earlier than its start has no duration, and says why", async () => {
  if (!needs("curl")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const start = startArguments({ event_id: EVENT_ID });
  await curl(server, "track_session_start", start);
  const timestamp = "2026-02-06T12:00:00Z";
  await curl(server, "track_session_end", { ...END, timestamp });
  const session = await sandbox.only();
  expect(session).toMatchObject({
    ...{ status: "ended", duration_seconds: 0 },
    end_time: "2026-02-06T12:00:00.000Z",
  });
  expect(session.metadata["clock_skew"]).toBe(true);
});

test("what is refused names the field and the rule, and stores nothing", async () => {
  if (!needs("curl")) return;
  using sandbox = new Sandbox();
  await using server = await TestServer.start(sandbox);
  const refused = async (change: object) => {
    const result = await curl(server, "track_session_start", {
      ...startArguments(),
      ...change,
    });
    expect(result).toMatchObject({ session_id: null, status: "error" });
    return String(result["error"]);
  };
  expect(await refused({ event_version: "2.0" })).toContain(
    "Unsupported event version: 2.0 (expected '1.0')",
  );
  expect(await refused({ component_name: "a b" })).toContain(
    "Invalid component_name 'a b': must match pattern ^[a-zA-Z0-9_-]+$",
  );
  expect(await refused({ pid: 0 })).toContain(
    "Input should be greater than or equal to 1",
  );
  expect(await sandbox.list()).toEqual([]);
});
