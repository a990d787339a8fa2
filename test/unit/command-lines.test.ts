/** What a line of a `.commands` file comes to. */
import { describe, expect, test } from "bun:test";
import {
  type Event,
  MAX_EVENT_BYTES,
  jsonBytes,
} from "../../src/model/event.ts";
import { parseEvent } from "../../src/model/schema.ts";
import { CommandLines } from "../../src/spool/command-lines.ts";
import { ID, T0 } from "../support/events.ts";
import { Random } from "../support/random.ts";
import { hook } from "../support/spool.ts";

const PID = 4_711;

/** Reads lines of one file. @returns the events, and what is wrong with the others */
function read(...lines: (string | Uint8Array)[]): any[] {
  const form = new CommandLines(ID, PID);
  let offset = 0;
  const found: any[] = [];
  for (const line of lines) {
    const bytes = Buffer.from(line);
    const at = offset;
    offset += bytes.length;
    const whole = bytes.at(-1) === 10 ? bytes.subarray(0, -1) : bytes;
    let event: Event | null;
    try {
      event = form.parse(whole, at);
    } catch (error) {
      found.push((error as Error).message);
      continue;
    }
    if (event) found.push(parseEvent(event));
  }
  return found;
}
const header = hook.header(PID, T0);

test("a command's start and end are two events that belong together", () => {
  const [start, end] = read(
    header,
    hook.start(1, T0 + 1_000, "make -j\t2 \\\n  all", { cwd: "/srv/a\tb" }),
    hook.end(1, T0 + 3_500, 2, "0 2"),
  );
  expect(start).toEqual({
    ...{ event_version: "1.0", event_type: "command_start", session_id: ID },
    ...{ event_id: start.event_id, timestamp: "2026-02-06T12:34:57.000Z" },
    ...{ seq: 1, pid: PID, shell_started_us: T0 * 1_000, depth: null },
    ...{ text: "make -j\t2 \\\n  all", cwd: "/srv/a\tb", mark: null },
  });
  expect(end).toEqual({
    ...{ event_version: "1.0", event_type: "command_end", session_id: ID },
    ...{ event_id: end.event_id, timestamp: "2026-02-06T12:34:59.500Z" },
    ...{ seq: 1, pid: PID, shell_started_us: T0 * 1_000, cwd: "/srv" },
    ...{ exit_code: 2, pipe_status: [0, 2], duration_ms: 2_500 },
  });
  expect(start.event_id).not.toBe(end.event_id);
});

test("an id is made of session, shell, number and kind: a line again is the same event", () => {
  const once = [header, hook.start(1, T0, "true"), hook.end(1, T0, 0)];
  const ids = (lines: string[]) => read(...lines).map((e) => e.event_id);
  expect(ids(once)).toEqual(ids(once));
  // The same number twice, by a fork that wrote it too.
  expect(new Set(ids([...once, hook.start(1, T0 + 1, "true")])).size).toBe(2);
  // `exec bash`: the same pid, which begins anew.
  const anew = [hook.header(PID, T0 + 9), ...once.slice(1)];
  expect(new Set(ids([...once, ...anew])).size).toBe(4);
});

test("a duration that the shell has measured counts, and an end without its start has none", () => {
  const [, measured, unknown] = read(
    header,
    hook.start(1, T0, "sleep 1"),
    `e\t1\t${(T0 + 1_000) * 1_000}\t0\t\t/\t998.5\t.\n`,
    hook.end(7, T0 + 2_000, 0),
  );
  expect([measured.duration_ms, unknown.duration_ms]).toEqual([998.5, null]);
});

test("a clock that was set back makes no negative duration", () => {
  const [, end, , measured] = read(
    header,
    hook.start(1, T0, "date -s"),
    hook.end(1, T0 - 5_000, 0),
    hook.start(2, T0, "date -s"),
    `e\t2\t${(T0 - 5_000) * 1_000}\t0\t\t/\t-5000\t.\n`,
  );
  expect([end.duration_ms, measured.duration_ms]).toEqual([0, 0]);
});

test("a header may say how deep its shell is", () => {
  const deep = header.replace(/\t\.\n$/, "\t2\t.\n");
  expect(read(deep, hook.start(1, T0, "ls"))[0].depth).toBe(2);
});

test.each([
  ["private", "", { text: null, mark: "private" }],
  ["withheld", "", { text: null, mark: "withheld" }],
  ["withheld", "mysql", { text: "mysql", mark: "withheld" }],
  [
    "aws-key,bearer",
    "x ***",
    { text: "x ***", mark: "redacted:aws-key,bearer" },
  ],
  ["", "", { text: "", mark: null }],
])("marked %p with %p", (mark, text, wanted) => {
  expect(read(header, hook.start(1, T0, text, { mark }))[0]).toMatchObject(
    wanted,
  );
});

test("what is not UTF-8 keeps its bytes", () => {
  const line = Buffer.concat([
    Buffer.from(`s\t1\t${T0 * 1_000}\t/\t\tcat `),
    Uint8Array.of(0xff, 0xe9),
    Buffer.from("\t."),
  ]);
  const [event] = read(header, line);
  expect(event.text).toBe("cat ��");
  expect(Buffer.from(event.text_base64, "base64")).toEqual(
    Buffer.from([..."cat "].map((c) => c.charCodeAt(0)).concat(0xff, 0xe9)),
  );
});

test.each([
  ["plain", "x".repeat(100_000), 100_000],
  ["of three bytes each", "€".repeat(40_000), 120_000],
  ["that JSON escapes", "\x01".repeat(100_000), 100_000],
])("a text %s is cut, says by how much, and fits", (_, text, bytes) => {
  const [event] = read(header, hook.start(1, T0, text));
  const kept = Buffer.byteLength(event.text);
  expect(kept).toBeLessThanOrEqual(64 * 1024);
  expect(kept).toBeGreaterThan(16 * 1024);
  expect(event.truncated_bytes + kept).toBe(bytes);
  expect(text).toStartWith(event.text);
  expect(jsonBytes(event)).toBeLessThanOrEqual(MAX_EVENT_BYTES);
});

describe("what is torn or no line is told of, and its neighbours count", () => {
  const good = hook.start(2, T0, "ls");
  test.each([
    ["s\t1\t17", "torn"],
    [hook.start(1, T0, "make").slice(0, -3), "torn"],
    ["s\t1\t17\t.", "4 fields, where 's' has 7"],
    ["x\t1\t.", "'x' is no kind of line"],
    [`s\tone\t${T0}000\t/\t\tls\t.`, "seq: 'one' is none"],
    [`e\t1\t${T0}000\t256\t\t/\t.`, "status: '256' is none"],
    [`e\t1\t${T0}000\t0\t0 x\t/\t.`, "pipe_status: 'x' is none"],
    [`h\t2\tbash\t5\t1\t1\t1\t1\t.`, "version '2' of the lines is unknown"],
  ])("%p", (line, reason) => {
    const [said, event] = read(header, line, good);
    expect(said).toContain(reason);
    expect(event).toMatchObject({ seq: 2, text: "ls" });
  });

  test("after a torn header nothing is taken for the shell's before it", () => {
    const [first, said, again] = read(
      header,
      hook.start(1, T0, "exec bash"),
      hook.header(PID, T0 + 5).slice(0, 12),
      hook.start(1, T0 + 6, "ls"),
    );
    expect(said).toContain("torn");
    expect(again.event_id).not.toBe(first.event_id);
    expect(again.pid).toBe(PID);
  });

  test("lines without any header are their shell's by the file's name", () => {
    expect(read(good)[0]).toMatchObject({ pid: PID, text: "ls" });
  });
});

test("any bytes are an event that the schema takes, or a reason", () => {
  const random = Random.seeded("command lines");
  for (let n = 0; n < 3_000; n++) {
    const line = Buffer.from(
      random.pick([
        header,
        hook.start(1, T0, "ls -l\\"),
        hook.end(1, T0, 1, "1 0"),
      ]),
    ).subarray(0, -1);
    for (let k = random.int(1, 4); k > 0; k--)
      line[random.int(0, line.length - 1)] = random.int(0, 255);
    for (const found of read(header, line))
      expect(typeof found === "string" || found.session_id === ID).toBeTrue();
  }
});
