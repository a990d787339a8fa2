/**
 * TZ in every form that the C library takes: right, or refused in words, and
 * never UTC for what nobody knows.
 */
import { afterAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Failure } from "../../src/model/failure.ts";
import { parseTime } from "../../src/model/time.ts";
import { localZone } from "../../src/os/zone.ts";
import { localTime } from "../../src/render/format.ts";
import { Random } from "../support/random.ts";

const JANUARY = "2026-01-06T11:34:56.000Z";
const JULY = "2026-07-06T11:34:56.000Z";
const folder = mkdtempSync(join(tmpdir(), "zone-"));
afterAll(() => rmSync(folder, { recursive: true }));

const ZONES = "/usr/share/zoneinfo";
const copied = join(folder, "here");
copyFileSync(`${ZONES}/Asia/Kathmandu`, copied);

/** What clocks show in January and in July: hours and minutes ahead of UTC. */
const RIGHT: Record<string, [string, string]> = {
  "Asia/Kathmandu": ["+05:45", "+05:45"],
  ":Asia/Kathmandu": ["+05:45", "+05:45"],
  [`${ZONES}/Asia/Kathmandu`]: ["+05:45", "+05:45"],
  [`:${ZONES}/Europe/Berlin`]: ["+01:00", "+02:00"],
  [copied]: ["+05:45", "+05:45"],
  "NPT-5:45": ["+05:45", "+05:45"],
  "<+0545>-5:45": ["+05:45", "+05:45"],
  "<-0330>3:30<-0230>,M3.2.0,M11.1.0": ["-03:30", "-02:30"],
  "CET-1CEST,M3.5.0,M10.5.0/3": ["+01:00", "+02:00"],
  "CET-1CEST,J88/2,J301/3": ["+01:00", "+02:00"],
  "CET-1CEST,86/2,300/3": ["+01:00", "+02:00"],
  EST5EDT: ["-05:00", "-04:00"],
  "IST-1GMT0,M10.5.0,M3.5.0/1": ["+00:00", "+01:00"],
  "WGT3WGST,M3.4.6/-2,M10.4.6/-1": ["-03:00", "-02:00"],
  AAA24: ["-24:00", "-24:00"],
  UTC0: ["+00:00", "+00:00"],
  UTC: ["+00:00", "+00:00"],
  "": ["+00:00", "+00:00"],
  "Etc/GMT-14": ["+14:00", "+14:00"],
};

describe("a zone is right, in and out", () => {
  for (const [TZ, [january, july]] of Object.entries(RIGHT))
    test(TZ, () => {
      const zone = localZone({ TZ });
      const shown = [JANUARY, JULY].map((time) => localTime(time, zone));
      expect(shown.map((text) => text.slice(-6))).toEqual([january, july]);
      for (const [i, time] of [JANUARY, JULY].entries()) {
        const wall = shown[i]!.slice(0, -6);
        expect(parseTime(wall, 0, zone).toISOString()).toBe(time);
        // What was printed has its own zone, but for what no zone has.
        if (TZ === "AAA24") continue;
        const read = parseTime(shown[i]!, 0, localZone({ TZ: "nonsense" }));
        expect(read.toISOString()).toBe(time);
      }
    });
});

describe("what nobody knows is refused, with its name", () => {
  const half = join(folder, "half");
  writeFileSync(half, readFileSync(`${ZONES}/Europe/Berlin`).subarray(0, 900));
  const text = join(folder, "text");
  writeFileSync(text, "no zone");
  const pipe = join(folder, "pipe");
  Bun.spawnSync(["mkfifo", pipe]);
  for (const TZ of [
    ...["Foo/Bar", "Asia/Katmandoo", ":nonsense", "Europe", "NPT", "-5:45"],
    ...["NPT-25", "NPT-5:75", "AB-1", "CET-1CEST,M3.5.0", "CET-1CEST,foo,bar"],
    ...[
      "CET-1CEST,M13.5.0,M10.5.0",
      "CET-1CEST,J0,J1",
      "CET-1CEST,M3.5.0,M10.5.0x",
    ],
    ...["/nowhere", "/dev/zero", half, text, pipe, folder, " ", "+05:45"],
  ])
    test(TZ, () => {
      const zone = localZone({ TZ });
      const ask = () => localTime(JANUARY, zone);
      expect(ask).toThrow(Failure);
      expect(ask).toThrow(`TZ '${TZ}' is no time zone that is known here`);
    });
});

test("a folder of zones may be elsewhere, and a zone without files has the engine's", () => {
  const TZDIR = join(folder, "zones");
  mkdirSync(join(TZDIR, "Europe"), { recursive: true });
  copyFileSync(`${ZONES}/Asia/Kathmandu`, join(TZDIR, "Local"));
  const local = localZone({ TZ: "Europe/Berlin", TZDIR });
  expect(localTime(JULY, local)).toEndWith("+02:00");
  expect(() => localTime(JULY, localZone({ TZ: "Local" }))).toThrow("'Local'");
});

test("every zone that has a name agrees with the engine, through its changes", () => {
  const random = new Random(20260206);
  const names = Intl.supportedValuesOf("timeZone");
  for (let n = 0; n < 2_000; n++) {
    const TZ = names[random.int(0, names.length - 1)]!;
    const at = Date.parse("1975-01-01") + random.int(0, 50 * 365) * 86_400_000;
    const format = new Intl.DateTimeFormat("sv", {
      ...{ timeZone: TZ, dateStyle: "short", timeStyle: "medium" },
    });
    const shown = localTime(new Date(at).toISOString(), localZone({ TZ }));
    expect(`${TZ} ${shown.slice(0, 19).replace("T", " ")}`).toBe(
      `${TZ} ${format.format(at)}`,
    );
  }
});
