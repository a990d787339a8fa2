/** The server's log: what is in a line, what never is, and what the disk may do. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadSettings, statePaths } from "../../src/config/load.ts";
import { Log, redact } from "../../src/log/log.ts";
import { Failure } from "../../src/model/failure.ts";
import { mintToken } from "../../src/auth/token.ts";
import { UTC } from "../../src/model/clock.ts";
import { logLine } from "../../src/render/log.ts";
import { until } from "../support/wait.ts";

const SECRET = "correct horse battery staple, 46 bytes in all.";
const facts = { subject: "les", ttl_seconds: 60, scope: "write" } as const;
const TOKEN = await mintToken(SECRET, facts, Date.now());

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sb-log-"));
  folder = join(root, "logs");
});
afterEach(() => rmSync(root, { recursive: true }));

const path = (name = "server.log") => join(folder, name);
const linesOf = (name?: string) =>
  readFileSync(path(name), "utf8").split("\n").slice(0, -1);
const records = (name?: string) =>
  linesOf(name).map((line) => JSON.parse(line) as Record<string, unknown>);

test("a line is one event: when, how grave, what, and about whom", () => {
  const log = new Log(folder, "info");
  log.info("call", { request_id: "r-1", tool: "health_check", ms: 0.4 });
  log.debug("unheard");
  log.error("failed", { time: "never", level: 0, event: "forged", ok: false });
  log.close();
  const [call, failed] = records();
  expect(linesOf()).toHaveLength(2);
  const { time, ...rest } = call!;
  expect(Object.keys(call!)).toEqual([
    ...["time", "level", "event", "request_id", "tool", "ms"],
  ]);
  expect(Date.now() - Date.parse(time as string)).toBeWithin(0, 5_000);
  expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(rest).toMatchObject({ level: "info", event: "call", ms: 0.4 });
  expect(failed).toMatchObject({ level: "error", event: "failed", ok: false });
});

test("each level lets through what is as grave or more", () => {
  const levels = ["debug", "info", "warn", "error"] as const;
  for (const [n, level] of levels.entries()) {
    const log = new Log(join(folder, level), level);
    for (const each of levels) log[each](each);
    log.close();
    const said = records(`${level}/server.log`).map(({ event }) => event);
    expect(said).toEqual(levels.slice(n));
  }
});

test("the log is where the settings say, for us alone", () => {
  const env = { HOME: root, SESSION_BUDDY_LOG_LEVEL: "error" };
  const settings = loadSettings(env);
  const log = Log.open(settings);
  log.warn("unheard");
  log.error("heard");
  log.close();
  const { logs } = statePaths(settings);
  const file = join(logs, "server.log");
  expect(readFileSync(file, "utf8")).toMatch(/"event":"heard"}\n$/);
  expect(readFileSync(file, "utf8")).not.toContain("unheard");
  expect(statSync(logs).mode & 0o777).toBe(0o700);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  chmodSync(file, 0o644);
  Log.open(settings).close();
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("no token and no secret gets into a line, however deep", () => {
  const log = new Log(folder, "debug");
  const failure = new Failure("unauthorized", `it was ${TOKEN}`, undefined, {
    cause: "ERR_JWT_EXPIRED exp",
  });
  log.info(`event`, {
    token: TOKEN,
    headers: { Authorization: `Bearer ${TOKEN}`, accept: "*/*" },
    args: [{ token: "opaque-1" }, { accessToken: "opaque-2" }],
    SESSION_BUDDY_SECRET: SECRET,
    url: `https://x/?a=1&jwt=${TOKEN}&b=2`,
    line: `first\n${TOKEN}\tlast`,
    glued: `token_${TOKEN}`,
    header: "Bearer opaque-3, and more",
    [`key ${TOKEN}`]: 1,
    unsigned: `${TOKEN.split(".").slice(0, 2).join(".")}.`,
    failure,
    error: new Error(`no route for ${TOKEN}`),
    secret_file: "/etc/secret",
    dotted: "sessions.example.org and version 1.5.6-r.1",
  });
  log.close();
  const text = linesOf().join("\n");
  for (const part of TOKEN.split(".").slice(1))
    expect(text).not.toContain(part);
  for (const secret of ["opaque-1", "opaque-2", "opaque-3", SECRET])
    expect(text).not.toContain(secret);
  expect(records()[0]).toMatchObject({
    headers: { accept: "*/*" },
    args: [{}, {}],
    url: "https://x/?a=1&jwt=[token]&b=2",
    line: "first\n[token]\tlast",
    header: "Bearer [token], and more",
    "key [token]": 1,
    failure: {
      message: "it was [token]",
      code: "unauthorized",
      cause: "ERR_JWT_EXPIRED exp",
    },
    error: { message: "no route for [token]" },
    secret_file: "/etc/secret",
    dotted: "sessions.example.org and version 1.5.6-r.1",
  });
});

test("a line stays a line, and short, whatever it is about", () => {
  const loop: Record<string, unknown> = { name: "loop" };
  loop["self"] = loop;
  const deep = Array.from({ length: 50 }).reduce((inner) => [inner], "deep");
  const wide = Array.from({ length: 30 }, () => Array(10_000).fill("wide"));
  const many = Object.fromEntries(wide.flat().map((v, n) => [`k${n}`, v]));
  const log = new Log(folder, "debug");
  for (const value of [
    ...[loop, deep, wide, many, "x".repeat(5_000_000), "ey".repeat(500_000)],
    ...["😀".repeat(2_000), 10n, Symbol("s"), () => 1, NaN, undefined, null],
    ...[new Date(NaN), new Date(0), new Map([[1, 2]]), Object.create(null)],
    JSON.parse('{"__proto__": {"polluted": true}}'),
  ])
    log.info("value", { value });
  log.close();
  const all = linesOf();
  expect(all).toHaveLength(18);
  for (const line of all) {
    expect(Buffer.byteLength(line)).toBeLessThan(64 * 1024);
    expect((JSON.parse(line) as { event: string }).event).toBe("value");
  }
  const [, , , , long] = records();
  expect(long!["value"]).toBe(`${"x".repeat(2_048)}…`);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

test("what the log holds does nothing to a terminal", () => {
  const log = new Log(folder, "info");
  const text = "\x1b]0;owned\x07 \x9b31m \u202etxt.exe \u2028 \x7f\r\n";
  log.info("said", { text, [text]: 1 });
  log.close();
  const [line] = linesOf();
  const acts = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u;
  expect(line).not.toMatch(acts);
  expect(JSON.parse(line!)).toMatchObject({ text, [text]: 1 });
  expect(logLine(line!, UTC)).not.toMatch(acts);
  expect(logLine(`no JSON: ${text}`, UTC)).not.toMatch(acts);
});

test("the log is rotated by its size, and the oldest goes", () => {
  const log = new Log(folder, "info", 2_000);
  for (let n = 0; n < 200; n++) log.info("event", { n });
  log.close();
  const names = ["server.log", 1, 2, 3, 4].map((n) =>
    typeof n === "string" ? n : `server.log.${n}`,
  );
  const kept = names.toReversed().flatMap((name) => {
    expect(statSync(path(name)).size).toBeLessThanOrEqual(2_000);
    expect(statSync(path(name)).mode & 0o777).toBe(0o600);
    return records(name).map(({ n }) => n as number);
  });
  expect(existsSync(path("server.log.5"))).toBe(false);
  const first = kept[0]!;
  expect(first).toBeGreaterThan(0);
  expect(kept).toEqual(
    Array.from({ length: 200 - first }, (_, i) => first + i),
  );
});

test("a log that was moved away or removed begins anew", () => {
  const log = new Log(folder, "info");
  log.info("one");
  renameSync(path(), path("mine"));
  log.info("two");
  expect(records("mine").map(({ event }) => event)).toEqual(["one"]);
  rmSync(folder, { recursive: true });
  log.info("three");
  log.close();
  expect(records().map(({ event }) => event)).toEqual(["three"]);
});

test("a folder that cannot be used harms nobody, and what was lost is told", async () => {
  writeFileSync(folder, "in its way");
  const log = new Log(folder, "info");
  expect(log.trouble).toContain("is not a folder of its own");
  log.info("lost");
  log.info("lost too");
  rmSync(folder);
  await until("the log to work again", () => {
    log.info("again");
    return log.trouble === null;
  });
  log.close();
  const [gap, ...rest] = records();
  expect(gap).toMatchObject({ level: "warn", event: "log_lines_lost" });
  expect(gap!["lines"]).toBeGreaterThanOrEqual(2);
  expect(gap!["lines"]).toBe(log.dropped);
  expect(rest.map(({ event }) => event)).toEqual(["again"]);
});

test("neither a link nor a pipe is written to", () => {
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(join(root, "victim"), "");
  symlinkSync(join(root, "victim"), path());
  const linked = new Log(folder, "info");
  linked.info("event");
  expect(linked.trouble).toContain("ELOOP");
  expect(readFileSync(join(root, "victim"), "utf8")).toBe("");
  rmSync(path());
  Bun.spawnSync(["mkfifo", path()]);
  const piped = new Log(folder, "info");
  piped.info("event");
  expect(piped.trouble).toContain("is not a regular file");
});

test("a disk that fills up loses lines, never the server, and no line is half", async () => {
  const script = `
    import { Log } from ${JSON.stringify(join(import.meta.dir, "../../src/log/log.ts"))};
    import { truncateSync } from "node:fs";
    const log = new Log(${JSON.stringify(folder)}, "info");
    for (let n = 0; log.trouble === null; n++) log.info("event", { n });
    truncateSync(${JSON.stringify(path())}, 4_000);
    while (log.trouble !== null) {
      await Bun.sleep(5);
      log.info("again");
    }
    log.info("last");`;
  const limited = 'trap "" XFSZ; ulimit -f 8; exec "$0" -e "$1"';
  const argv = ["bash", "-c", limited, process.execPath, script];
  const child = Bun.spawn(argv, { stdout: "pipe", stderr: "pipe" });
  expect(await child.stderr.text()).toBe("");
  expect(await child.exited).toBe(0);
  const lines = linesOf();
  const half = lines.filter((line) => {
    try {
      return !JSON.parse(line);
    } catch {
      return line !== "";
    }
  });
  // The one that this test has cut itself.
  expect(half.length).toBeLessThanOrEqual(1);
  const said = lines.slice(-3).map((line) => JSON.parse(line) as object);
  expect(said).toMatchObject([
    { event: "log_lines_lost", lines: expect.any(Number) as number },
    { event: "again" },
    { event: "last" },
  ]);
});

test("redaction keeps what is harmless as it is", () => {
  const value = {
    a: [1, true, null, "text"],
    when: "2026-02-06T11:34:56.000Z",
    address: "sessions.internal.example.org:8678",
    session_id: "mahavishnu-20260206-113456-1a2b3c4d",
    uuid: "0192f0c1-7b7a-7000-8000-000000000000",
  };
  expect(redact(value)).toEqual(value);
});

test("a person reads time, level, event, and the rest by name", () => {
  const line = JSON.stringify({
    ...{ time: "2026-02-06T11:34:56.789Z", level: "warn", event: "refused" },
    ...{
      request_id: "r-1",
      text: "two words",
      list: [1, 2],
      none: null,
      e: "",
    },
  });
  expect(logLine(line, UTC)).toMatch(
    /^2026-02-06T\d\d:34:56[+-]\d\d:\d\d warn  refused request_id=r-1 text="two words" list=\[1,2\] none=null e=""$/,
  );
  for (const other of ["plain", "[1]", "null", '"x"', '{"time": 7}', "{"])
    expect(logLine(other, UTC)).toBe(other);
});
