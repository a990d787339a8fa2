import { describe, expect, test } from "bun:test";
import { reasonOf } from "../../src/model/failure.ts";
import { parseEvent, parseEventLine } from "../../src/model/schema.ts";
import { fold } from "../../src/model/fold.ts";
import { view } from "../../src/model/session.ts";
import {
  T0,
  annotation,
  end,
  processOf,
  randomLife,
  start,
  unknown,
} from "../support/events.ts";
import { Random } from "../support/random.ts";

const encoder = new TextEncoder();
const parse = (line: string) => parseEventLine(encoder.encode(line));
const json = (event: object, changes: object = {}) =>
  JSON.stringify({ ...event, ...changes });

describe("a line that is an event", () => {
  test("comes back as it was written", () => {
    for (const event of [
      start(),
      processOf(1),
      annotation(2, { metadata: { a: [1, { b: null }] } }),
      end(3, { exit_code: null, signal: "SIG34" }),
    ])
      expect(parse(json(event))).toEqual(event);
  });

  test("may be of a kind, and have fields, that nobody knows", () => {
    for (const event_type of [
      "moon_phase",
      "constructor",
      "__proto__",
      "toString",
    ])
      expect(
        parse(json(unknown(1), { event_type, phase: { of: "moon" } })),
      ).toMatchObject({ event_type, phase: { of: "moon" } });
    expect(parse(json(start(), { shoe_size: 43 }))).toMatchObject({
      shoe_size: 43,
    });
  });

  test("has its time made UTC, and its id lower case", () => {
    const event_id = "ABCDEF00-1111-4222-8333-444455556666";
    const timestamp = "2026-02-06T14:34:56.7891+02:00";
    expect(parse(json(start(), { event_id, timestamp }))).toMatchObject({
      event_id: event_id.toLowerCase(),
      timestamp: "2026-02-06T12:34:56.789Z",
    });
  });

  test("keeps metadata of any name, with no effect on other objects", () => {
    const line = json(start()).replace(
      '"metadata":{}',
      '"metadata":{"__proto__":{"x":1}}',
    );
    const { metadata } = parse(line) as { metadata?: object };
    expect(JSON.stringify(metadata)).toBe('{"__proto__":{"x":1}}');
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  test("may be nested, to a depth", () => {
    const nested = (levels: number) =>
      json(annotation(1)).replace(
        /}$/,
        `,"deep":${"[".repeat(levels)}${"]".repeat(levels)}}`,
      );
    expect(parse(nested(99))).toMatchObject({ event_type: "annotation" });
    expect(() => parse(nested(100))).toThrow("nested deeper than 100 levels");
    expect(() => parse(nested(100_000))).toThrow(
      "nested deeper than 100 levels",
    );
  });
});

describe("a line with one bad field is refused, naming it", () => {
  const bad: [object, Record<string, unknown[]>][] = [
    [
      start(),
      {
        event_version: ["2.0", 1, null, undefined],
        event_id: ["", "no-uuid", 7, undefined],
        session_id: ["", "a", "../a-20260206-123456-1a2b3c4d", undefined],
        event_type: ["", "x".repeat(101), 1, null, undefined],
        timestamp: [
          "2026-02-06",
          "2026-02-06T12:34:56",
          "2026-02-30T00:00:00Z",
          "0000-12-31T23:59:59.999Z",
          "0001-01-01T00:30:00+01:00",
          "2026-02-06T24:00:00Z",
          "2026-02-06T12:34:60Z",
          "2026-02-06T12:34:56+25:00",
          "9999-12-31T23:59:59-14:00",
          "0000-01-01T00:00:00+14:00",
          "now",
          0,
          undefined,
        ],
        pid: [0, -1, 1.5, "1", 4_194_305, 2 ** 53, null, undefined],
        ppid: [-1, "1", 4_194_305],
        start_ticks: [-1, 0.5, 2 ** 53],
        user: [null, {}, { username: "x" }, { username: 1, home: "" }],
        environment: [null, { platform: "x", cwd: "/" }],
        tags: ["x", [1], null],
        command: ["sh", [null]],
        lock: ["", "fcntl", null],
        metadata: [null, [], "x", undefined],
        measured: [null, []],
        name: [1],
      },
    ],
    [
      processOf(1),
      {
        pid: [0],
        ppid: [-1, null],
        boot_id: [1, undefined],
        pid_namespace: [undefined],
      },
    ],
    [
      annotation(1),
      { metadata: [null, []], measured: [1], python_version: [null, 3] },
    ],
    [
      end(1),
      {
        end_source: ["", "guessed", null, undefined],
        exit_code: [-1, 256, 0.5, "0", undefined],
        signal: [9, undefined],
        metadata: [null],
      },
    ],
  ];
  for (const [event, fields] of bad)
    for (const [field, values] of Object.entries(fields))
      test(`${(event as { event_type: string }).event_type}.${field}`, () => {
        expect(() => parse(json(event))).not.toThrow();
        for (const value of values) {
          const line = json(event, { [field]: value });
          expect(() => parse(line), line).toThrow(new RegExp(`^${field}\\b`));
        }
      });

  test("and so is what is no object, no JSON or no UTF-8", () => {
    for (const line of [
      "",
      "null",
      "1",
      '"x"',
      "[]",
      "{",
      "{}",
      json(start()).slice(0, -1),
    ])
      expect(() => parse(line), line).toThrow(/./);
    expect(() => parseEventLine(new Uint8Array([0x22, 0xff, 0x22]))).toThrow(
      /./,
    );
  });
});

test("10,000 damaged lines are each an event that folds, or a reason", () => {
  const random = Random.seeded("damaged lines");
  let events = 0;
  let reasons = 0;
  for (let n = 0; n < 10_000; n++) {
    const life = randomLife(random);
    if (life.length === 0) continue;
    const bytes = damage(random, encoder.encode(json(random.pick(life))));
    try {
      const event = parseEventLine(bytes);
      view(fold(event.session_id, [event]), T0);
      JSON.stringify(event);
      events++;
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
      // A bug of ours would be one of these; so is the decoder's own refusal.
      if (!/utf-8/.test(reasonOf(error))) {
        expect(error).not.toBeInstanceOf(TypeError);
        expect(error).not.toBeInstanceOf(RangeError);
      }
      expect(reasonOf(error)).not.toBe("");
      reasons++;
    }
  }
  console.log(`damaged lines: ${events} events, ${reasons} refused`);
  expect(Math.min(events, reasons)).toBeGreaterThan(100);
});

/** What disks, editors and bugs do to a line. */
function damage(random: Random, line: Uint8Array): Uint8Array {
  const bytes = Buffer.from(line);
  const where = random.int(0, bytes.length - 1);
  switch (random.int(0, 5)) {
    case 0:
      return bytes.subarray(0, where);
    case 1:
      bytes[where] = random.int(0, 255);
      return bytes;
    case 2:
      return bytes.fill(
        0,
        where,
        Math.min(where + random.int(1, 64), bytes.length),
      );
    case 3: {
      const copy = bytes.subarray(where, where + random.int(1, 80));
      return Buffer.concat([
        bytes.subarray(0, where),
        copy,
        bytes.subarray(where),
      ]);
    }
    case 4:
      return Buffer.concat([bytes.subarray(where), bytes]);
    default: {
      const values = ["null", "1e999", "-1", "[]", "{}", '"\\ud800"', "true"];
      const text = bytes.toString();
      const found = [...text.matchAll(/:("[^"]*"|\d+|null|\{\}|\[\])/g)];
      const hit = random.pick(found);
      const end = hit.index + hit[0].length;
      return Buffer.from(
        `${text.slice(0, hit.index)}:${random.pick(values)}${text.slice(end)}`,
      );
    }
  }
}

test("what is wrong with an event is said in words", () => {
  const said = (value: unknown) => {
    try {
      parseEvent(value);
      return "nothing";
    } catch (error) {
      return (error as Error).message;
    }
  };
  const event = {
    ...{
      event_version: "1.0",
      event_type: "note",
      session_id: "a-20260206-123456-1a2b3c4d",
    },
    ...{ event_id: "550e8400-e29b-41d4-a716-446655440000" },
    timestamp: "2026-02-06T12:34:56.789Z",
  };
  expect(said(event)).toBe("nothing");
  for (const [changes, words] of [
    [{ event_id: undefined }, "event_id is required"],
    [{ event_id: 7 }, "event_id must be a string, not a number"],
    [{ event_id: "x" }, "event_id must be a UUID"],
    [{ event_version: "2.0" }, "event_version must be '1.0'"],
    [{ session_id: "../x" }, "session_id: not a session id"],
    [
      { timestamp: "now" },
      "timestamp: 'now' is not an ISO 8601 time with a zone",
    ],
    [{ event_type: "process" }, "pid is required"],
  ] as const)
    expect([changes, said({ ...event, ...changes })]).toEqual([changes, words]);
  expect(said(null)).toBe("line must be an object, not null");
  expect(said([])).toBe("line must be an object, not an array");
});
