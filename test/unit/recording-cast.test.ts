/** Recordings as asciicast, and which moment of one a time means. */
import { expect, test } from "bun:test";
import { UTC } from "../../src/model/clock.ts";
import { castLines } from "../../src/model/recording/cast.ts";
import { Harmless } from "../../src/model/recording/harmless.ts";
import { momentIn } from "../../src/model/recording/moment.ts";
import { Random } from "../support/random.ts";
import {
  hostile,
  omitted,
  readerOf,
  recordingOf,
  resized,
  shown,
} from "../support/recording.ts";

const E = "\x1b";
const parsed = (
  version: 2 | 3,
  markers = [{ at_us: 1.5e6, label: "make" }],
) => {
  const file = recordingOf([
    [shown(0.25, "a\xe4"), shown(1, "b\r\n")],
    [resized(2, "90x30"), omitted(2.5, 77), shown(3, `${E}[1mc`)],
  ]);
  return [...castLines(readerOf(file), version, markers)].map(
    (line) => JSON.parse(line) as unknown,
  );
};

test("version 3 counts from event to event, version 2 from the start", () => {
  const timestamp = Date.parse("2026-02-06T12:34:56Z") / 1_000;
  expect(parsed(3)).toEqual([
    { version: 3, term: { cols: 40, rows: 10, type: "xterm" }, timestamp },
    [0.25, "o", "aä"],
    [0.75, "o", "b\r\n"],
    [0.5, "m", "make"],
    [0.5, "r", "90x30"],
    [0.5, "m", "77 bytes are left out"],
    [0.5, "o", `${E}[1mc`],
    [0, "o", `${E}[m\x0f${E}(B`],
  ]);
  expect(parsed(2)).toEqual([
    {
      ...{ version: 2, width: 40, height: 10, timestamp },
      env: { TERM: "xterm" },
    },
    [0.25, "o", "aä"],
    [1, "o", "b\r\n"],
    [1.5, "m", "make"],
    [2, "r", "90x30"],
    [2.5, "m", "77 bytes are left out"],
    [3, "o", `${E}[1mc`],
    [3, "o", `${E}[m\x0f${E}(B`],
  ]);
});

test("markers from before it began and after its end are in it all the same", () => {
  const markers = [-5e6, 9e6].map((at_us) => ({ at_us, label: `${at_us}` }));
  const lines = parsed(2, markers).slice(1) as [number, string, string][];
  expect(
    lines.filter(([, code, label]) => code === "m" && !label.includes("left")),
  ).toEqual([
    [0, "m", "-5000000"],
    [9, "m", "9000000"],
  ]);
});

test("a mode that is on at the end is put back", () => {
  const harmless = new Harmless();
  const bytes = Buffer.from(`${E}[?1049h${E}[?25l${E}[?7l${E}[?7hx`);
  expect(harmless.write(bytes)).toBe(bytes.toString());
  expect(harmless.end()).toBe(`${E}[?1049l${E}[?25h${E}[m\x0f${E}(B`);
});

/** What Harmless lets pass besides letters. */
const PASSES =
  /\x1b\[[\d;:]*[@A-HIJKLMPSTXZ`abdefgmrsu]|\x1b\[(?:4|20|\?(?:6|7|25|47|1047|1048|1049))[hl]|\x1b\[!p|\x1b[78DEMHc]|\x1b[()][0AB]|[\b\t\n\v\f\r\x0e\x0f]/g;

test("nothing that reaches beyond the screen passes", () => {
  const random = Random.seeded("harmless");
  const harmless = new Harmless();
  for (let i = 0; i < 2_000; i++) {
    const written = harmless.write(Buffer.from(hostile(random)));
    expect(written.replace(PASSES, "")).not.toMatch(
      /[\x00-\x1f\x7f-\x9f\u202e\u2066]/,
    );
  }
});

const began = Date.parse("2026-02-06T23:30:00Z");
const now = Date.parse("2026-02-08T10:00:00Z");
test.each([
  ["90", 90],
  ["5m", 300],
  ["1h", 3_600],
  ["0", 0],
  ["23:31", 60],
  ["23:30", 0],
  // Past midnight.
  ["00:10", 2_400],
  ["2026-02-06T23:40:00Z", 600],
  ["34 hours ago", 1_800],
])("the moment %s is %i s after its start", (text, wanted) => {
  const span = { began, end_us: 4_000e6 };
  expect(momentIn(text, span, now, UTC)).toBe(wanted * 1e6);
});

test.each(["2h", "22:00", "today", "2026-02-07T01:00:00Z"])(
  "it has no moment %s",
  (text) => {
    const span = { began, end_us: 4_000e6 };
    expect(() => momentIn(text, span, now, UTC)).toThrow(
      `the recording has no moment '${text}' (it is from 2026-02-06T23:30:00.000Z to 2026-02-07T00:36:40.000Z: 4000 s)`,
    );
  },
);

test("no player makes room for a terminal that nobody has", () => {
  const file = recordingOf([[resized(1, "99999x99999"), resized(2, "0x5")]], {
    ...{ columns: 9_999, rows: 9_999 },
  });
  const [header, first, second] = [...castLines(readerOf(file), 3, [])].map(
    (line) => JSON.parse(line) as unknown,
  );
  expect(header).toMatchObject({ term: { cols: 1_000, rows: 300 } });
  expect(first).toEqual([1, "r", "1000x300"]);
  // One of no size is none.
  expect(second).toEqual([1, "o", expect.any(String)]);
});
