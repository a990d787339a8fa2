/**
 * A spool file cut at any byte, as a crash of the host or a full disk leaves it:
 * each whole line before the cut is stored, what is torn is kept aside with the
 * reason, and nothing throws. The file has everything in it that a file may
 * have. A test run cuts it at some places, those around each line's end among
 * them, `bun run fuzz` at every byte but those within the longest lines.
 */
import { expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Event, MAX_EVENT_BYTES } from "../../src/model/event.ts";
import { drain } from "../../src/spool/drain.ts";
import {
  annotation,
  command,
  end,
  processOf,
  start,
  unknown,
} from "../support/events.ts";
import { Random } from "../support/random.ts";
import { Sandbox } from "../support/sandbox.ts";
import { GONE, id, leave, named } from "../support/spool.ts";
import { CASES } from "./mutate.ts";
import { RecordingStore } from "./recorder.ts";

interface Line {
  bytes: Buffer;
  /** null of a line that is no event. */
  event: Event | null;
}

const session = { session_id: id(1) };
const good = (event: Event, before = "", after = ""): Line => ({
  bytes: Buffer.from(`${before}${JSON.stringify(event)}${after}`),
  event,
});
const bad = (bytes: string | number[]): Line => ({
  bytes: Buffer.from(bytes as number[]),
  event: null,
});

/** As long as an event may be. */
function longest(): Event {
  const event = command(2, { ...session, text: "" });
  const room = MAX_EVENT_BYTES - JSON.stringify(event).length;
  return Object.assign(event, { text: "x".repeat(room) });
}

const SMALL: Line[] = [
  good(start({ ...session, ...GONE, lock: "flock" })),
  good(processOf(1, { ...session, ...GONE })),
  good(
    annotation(2, { ...session, metadata: { ключ: "значение 🐚", n: 1 } }),
    "\ufeff",
  ),
  good(
    command(3, { ...session, text: "echo \u0000 \u2028 \ud83d\ude00" }),
    "",
    "\r",
  ),
  bad([0, 0, 0, 0, 0, 0, 0]),
  good(command(4, { ...session, text: "日本語 ".repeat(9) }), " \t"),
  bad("{} {}"),
  bad([0x22, 0xff, 0xfe, 0x22]),
  bad('{"event_version":"1.0"}'),
  good(unknown(5, { ...session, phase: [1, [2, { three: null }]] })),
  good(end(6, { ...session, exit_code: 3 })),
];

const LARGE: Line[] = [
  good(start({ ...session, ...GONE, lock: "flock" })),
  good(longest()),
  bad("y".repeat(MAX_EVENT_BYTES + 1)),
  good(command(3, session)),
];

interface Cut {
  at: number;
  /** Events that are whole before it. */
  whole: Event[];
  /** Lines aside: those that are no events, and a torn one. */
  aside: number;
}

function cutAt(lines: readonly Line[], at: number): Cut {
  const cut: Cut = { at, whole: [], aside: 0 };
  let from = 0;
  for (const { bytes, event } of lines) {
    const to = from + bytes.length;
    const head = bytes.subarray(0, Math.max(0, at - from));
    // White space after it may be missing.
    const whole =
      event !== null &&
      head.toString().trimEnd().endsWith("}") &&
      head.length >= bytes.toString().trimEnd().length &&
      head.toString().trimEnd() === bytes.toString().trimEnd();
    if (whole) cut.whole.push(event);
    else if (head.length > 0) cut.aside++;
    from = to + 1;
  }
  return cut;
}

function placesIn(
  lines: readonly Line[],
  cases: number,
  random: Random,
): number[] {
  const length = lines.reduce((sum, { bytes }) => sum + bytes.length + 1, 0);
  if (length <= cases) return Array.from({ length: length + 1 }, (_, at) => at);
  const places = new Set<number>();
  let from = 0;
  for (const { bytes } of lines) {
    for (let by = -3; by <= 3; by++) places.add(Math.max(0, from + by));
    from += bytes.length + 1;
  }
  while (places.size < cases) places.add(random.int(0, length));
  return [...places];
}

async function cutAndDrain(
  lines: readonly Line[],
  cases: number,
  what: string,
): Promise<void> {
  const random = Random.seeded(what);
  using sandbox = new Sandbox();
  const content = Buffer.concat(
    lines.flatMap(({ bytes }) => [bytes, Buffer.from("\n")]),
  );
  const places = placesIn(lines, cases, random);
  for (const at of places) {
    const { whole, aside } = cutAt(lines, at);
    leave(sandbox, "cut.ndjson", content.subarray(0, at));
    const store = new RecordingStore();
    const { quarantined, refused } = await drain(sandbox.data, store, Date.now);
    expect(refused).toEqual([]);
    const missing = whole.filter(({ event_id }) => !store.kept.has(event_id));
    expect({ at, missing }).toEqual({ at, missing: [] });
    const recovered =
      whole.length > 0 && !whole.some((e) => e.event_type === "session_end");
    expect({ at, kept: store.kept.size }).toEqual({
      at,
      kept: whole.length + Number(recovered),
    });
    expect({ at, aside: quarantined.length }).toEqual({ at, aside });
    for (const { path, offset, length, reason } of quarantined) {
      expect(reason).not.toBe("");
      const kept = readFileSync(path);
      expect(
        kept
          .subarray(0, length)
          .equals(content.subarray(offset, Math.min(at, offset + length))),
      ).toBeTrue();
      expect(kept.subarray(length).toString()).toBe(
        `\n# cut.ndjson at byte ${offset}: ${reason}\n`,
      );
    }
    for (const folder of ["done", "quarantine"])
      rmSync(join(sandbox.spool, folder), { recursive: true, force: true });
    rmSync(join(sandbox.spool, "cut.ndjson"), { force: true });
  }
  console.log(
    `${what}: cut at ${places.length} of ${content.length + 1} places`,
  );
}

test(
  "a file of all kinds of lines, cut at every byte, loses no whole line",
  () => cutAndDrain(SMALL, CASES, "cut"),
  600_000,
);

test(
  "so does a file of the longest lines",
  () => cutAndDrain(LARGE, CASES / 5, "cut, long lines"),
  3_600_000,
);

test("the executable says what was torn, and lists the rest", async () => {
  const random = Random.seeded("cut, the executable");
  using sandbox = new Sandbox();
  const content = Buffer.concat(
    SMALL.flatMap(({ bytes }) => [bytes, Buffer.from("\n")]),
  );
  const wanted = new Set<string>();
  let aside = 0;
  for (let n = 0; n < 40; n++) {
    const cut = cutAt(SMALL, random.int(0, content.length));
    for (const { event_id } of cut.whole) wanted.add(event_id);
    aside += cut.aside;
    leave(sandbox, `cut-${n}.ndjson`, content.subarray(0, cut.at));
  }
  const { exitCode, stderr } = await sandbox.run(["list-sessions"]);
  expect(exitCode).toBe(0);
  const said = stderr.split("\n").filter(Boolean);
  for (const line of said)
    expect(line).toMatch(
      /^session-buddy: a spool line could not be read \(.+\) and is kept in '.+'$/,
    );
  expect(said).toHaveLength(aside);
  expect(named(join(sandbox.spool, "quarantine"))).toHaveLength(aside);
  const [session] = await sandbox.list();
  expect(session!.session_id).toBe(id(1));
});
