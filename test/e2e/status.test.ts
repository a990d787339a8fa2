/**
 * One table of sessions, each in a state of its own: every command, filter and
 * tool says the same of each, with a server and without.
 */
import { expect, test } from "bun:test";
import { configure } from "../support/host.ts";
import { command, end, processOf, start } from "../support/events.ts";
import { Live } from "../support/live.ts";
import { Sandbox, type SessionJson } from "../support/sandbox.ts";
import { TestServer, startArguments } from "../support/server.ts";
import { id, leave, life, lines } from "../support/spool.ts";
import { until } from "../support/wait.ts";
import type { Event } from "../../src/model/event.ts";
import { bootId, pidNamespace } from "../../src/os/proc.ts";

type Status = "active" | "ended" | "lost";
const STATUSES: Status[] = ["active", "ended", "lost"];

const here = { boot_id: bootId(), pid_namespace: pidNamespace() };

/** A session by what it left: the first line, its program, and what came then. */
function left(n: number, program: object, ...more: Event[]): Event[] {
  const session_id = id(n);
  return [
    start({ session_id, lock: "flock", ...here }),
    processOf(1, { session_id, ...here, ...program }),
    ...more.map((event) => ({ ...event, session_id })),
  ];
}

const LEFT: [string, Status, (n: number) => Event[]][] = [
  ["ended", "ended", (n) => life(n, end(3))],
  [
    "ended by a declaration",
    "ended",
    (n) => life(n, end(3, { end_source: "declared" })),
  ],
  [
    "found lost by another, then really ended",
    "ended",
    (n) =>
      life(n, end(3, { end_source: "recovered" }), end(2, { exit_code: 1 })),
  ],
  [
    "found lost by another",
    "lost",
    (n) => life(n, end(3, { end_source: "recovered" })),
  ],
  ["before a reboot", "lost", (n) => life(n)],
  [
    "pid used again",
    "lost",
    (n) => left(n, { pid: process.pid, start_ticks: 1 }),
  ],
  ["pid gone", "lost", (n) => left(n, { pid: 4_194_304 })],
  [
    "in another pid namespace",
    "active",
    (n) => left(n, { pid_namespace: "pid:[1]" }),
  ],
  ["of a host without /proc", "active", (n) => left(n, { boot_id: null })],
  [
    "without locks, gone",
    "lost",
    (n) =>
      life(n).map((event) => ({
        ...event,
        ...("lock" in event && { lock: "none" }),
      })),
  ],
  [
    "before its child had a name, and a reboot",
    "lost",
    (n) => life(n).slice(0, 1),
  ],
  ["in times to come", "lost", (n) => life(n, command(1e9))],
];

/** The sessions of the table and the living ones, by id. */
async function table(sandbox: Sandbox): Promise<Map<string, Status>> {
  const wanted = new Map<string, Status>();
  LEFT.forEach(([, status, events], n) => {
    leave(sandbox, `${id(n)}.ndjson`, lines(events(n)));
    wanted.set(id(n), status);
  });
  return wanted;
}

/** What every way to ask says of each session's status. */
async function answers(
  sandbox: Sandbox,
  ids: Iterable<string>,
): Promise<Record<string, Map<string, string>>> {
  const byId = (sessions: SessionJson[]) =>
    new Map(
      sessions.map(({ session_id, status }) => [session_id, status as string]),
    );
  // One after the other: how long one waits for another is none of this test's business.
  const filtered: SessionJson[][] = [];
  for (const status of STATUSES)
    filtered.push(await sandbox.list("--status", status));
  const rows = (await sandbox.run(["list-sessions"])).stdout
    .trimEnd()
    .split("\n");
  const shown = new Map<string, string>();
  const described = new Map<string, string>();
  for (const session_id of ids) {
    const json = await sandbox.run(["show-session", session_id, "--json"]);
    shown.set(session_id, (JSON.parse(json.stdout) as SessionJson).status);
    const text = await sandbox.run(["show-session", session_id]);
    described.set(
      session_id,
      /^status:\s+(\w+)/im.exec(text.stdout)?.[1] ?? text.stdout,
    );
  }
  const incomplete = byId(await sandbox.list("--incomplete"));
  return {
    "list-sessions --format json": byId(await sandbox.list()),
    "list-sessions --status": byId(filtered.flat()),
    "list-sessions": new Map(
      rows.map((row) => row.split("\t")).map((cells) => [cells[0]!, cells[6]!]),
    ),
    "show-session --json": shown,
    "show-session": described,
    "list-sessions --incomplete": incomplete,
  };
}

function expectAll(
  said: Record<string, Map<string, string>>,
  wanted: ReadonlyMap<string, Status>,
): void {
  const sorted = (of: ReadonlyMap<string, string>) =>
    Object.fromEntries([...of].sort());
  const open = new Map([...wanted].filter(([, status]) => status !== "ended"));
  for (const [way, statuses] of Object.entries(said))
    expect([way, sorted(statuses)]).toEqual([
      way,
      sorted(way.endsWith("--incomplete") ? open : wanted),
    ]);
}

test("every command, filter and tool says the same of every session, with a server and without", async () => {
  using sandbox = new Sandbox();
  configure(sandbox, "session: {unleased_timeout: 1s}\n");
  const wanted = await table(sandbox);
  await using live = await Live.begin(sandbox);
  await using orphan = await Live.begin(sandbox);
  await orphan.killWrapper();
  await using dead = await Live.begin(sandbox);
  await dead.killWrapper();
  await dead.endChild();
  wanted.set(live.session_id, "active");
  wanted.set(orphan.session_id, "active");
  wanted.set(dead.session_id, "lost");
  expectAll(await answers(sandbox, wanted.keys()), wanted);

  await using server = await TestServer.start(sandbox);
  const child = Bun.spawn(["sleep", "1000"]);
  const track = async (pid: number): Promise<string> => {
    const answer = await server.call(
      "track_session_start",
      startArguments({ pid }),
    );
    return answer.result["session_id"] as string;
  };
  // One whose process runs, one of whose process nobody knows, since long.
  wanted.set(await track(child.pid), "active");
  const unknown = await track(4_194_000);
  await until("the timeout", async () =>
    (await sandbox.list("--status", "lost")).some(
      (s) => s.session_id === unknown,
    ),
  );
  wanted.set(unknown, "lost");
  const said = await answers(sandbox, wanted.keys());
  expectAll(said, wanted);
  expectAll(await tools(server), wanted);
  const { by_status } = (await server.call("session_stats")).result as {
    by_status: Record<Status, number>;
  };
  const count = (of: Status) =>
    [...wanted.values()].filter((s) => s === of).length;
  expect(by_status).toEqual({
    active: count("active"),
    ended: count("ended"),
    lost: count("lost"),
  });

  // What is said is of now.
  await live.end(0);
  await orphan.endChild();
  child.kill("SIGKILL");
  await child.exited;
  for (const [session_id, status] of wanted)
    if (status === "active" && !LEFT.some((_, n) => id(n) === session_id))
      wanted.set(session_id, session_id === live.session_id ? "ended" : "lost");
  expectAll(await answers(sandbox, wanted.keys()), wanted);
  expectAll(await tools(server), wanted);
  await server.stop();
  expectAll(await answers(sandbox, wanted.keys()), wanted);
  // Some 160 commands, one after the other: this is against a hang alone.
}, 1_200_000);

async function tools(
  server: TestServer,
): Promise<Record<string, Map<string, string>>> {
  const list = async (filter: object) =>
    (await server.call("list_sessions", { limit: 200, ...filter })).result[
      "sessions"
    ] as SessionJson[];
  const statuses = (sessions: SessionJson[]) =>
    new Map(sessions.map((s) => [s.session_id, s.status as string]));
  const all = statuses(await list({}));
  const got = new Map<string, string>();
  for (const session_id of all.keys()) {
    const { result } = await server.call("get_session", { session_id });
    const session = (result["session"] ?? result) as unknown as SessionJson;
    got.set(session_id, session.status);
  }
  const filtered = await Promise.all(
    STATUSES.map((status) => list({ status })),
  );
  return {
    list_sessions: all,
    "list_sessions by status": statuses(filtered.flat()),
    get_session: got,
    "list_sessions --incomplete": statuses(await list({ incomplete: true })),
  };
}
