/** When a server that is away is tried again, by whom and how often. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Failure, Overloaded, Rejected } from "../../src/model/failure.ts";
import type { SessionStore } from "../../src/model/store.ts";
import {
  CircuitBreaker,
  isOpen,
  readDelivery,
} from "../../src/spool/circuit-breaker.ts";

let folder: string;
let now = Date.parse("2026-02-06T12:34:56Z");
const clock = () => now;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "breaker-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const away = new Failure("unreachable", "it is away", "look there");

/** A process that nobody asked for, when chance is as given. */
const automatic = (random = 1) =>
  new CircuitBreaker(folder, true, clock, () => random);

/** The time has gone by in which it is left alone. */
const later = () => void (now += 600_001);

/** How long the server is left alone now, in seconds. */
const openFor = () =>
  (Date.parse(readDelivery(folder).open_until!) - now) / 1_000;

test("the server is left alone for 30 s, and twice as long each time, up to 10 min", () => {
  const seen = Array.from({ length: 8 }, () => {
    later();
    automatic().failed(away);
    return openFor();
  });
  expect(seen).toEqual([30, 60, 120, 240, 480, 600, 600, 600]);
  expect(readDelivery(folder).failures).toBe(8);
});

test("chance takes up to half of it away", () => {
  automatic(0).failed(away);
  expect(openFor()).toBe(15);
});

test("a Retry-After is obeyed, as far as anybody waits", () => {
  automatic().failed(new Overloaded("too much", 200_000));
  expect(openFor()).toBe(200);
  later();
  automatic().failed(new Overloaded("too much", 1e12));
  expect(openFor()).toBe(600);
});

test("a server that answers is asked again soon, however long it has been so: leases run", () => {
  for (const _ of Array(6)) {
    later();
    automatic().failed(new Overloaded("the database is away", 5_000));
    expect(openFor()).toBe(30);
  }
});

test("the first of several failures says since when, the last one why; a success forgets both", () => {
  automatic().failed(away);
  const { failing_since } = readDelivery(folder);
  automatic().failed(new Failure("unauthorized", "who are you", "a token"));
  expect(readDelivery(folder)).toMatchObject({
    ...{ failing_since, last_error: "who are you", mend: "a token" },
    last_success: null,
  });
  new CircuitBreaker(folder, false, clock).succeeded();
  expect(readDelivery(folder)).toEqual({
    ...{ failures: 0, failing_since: null, open_until: null },
    ...{ last_error: null, mend: null },
    last_success: expect.stringMatching(/^20\S+Z$/),
  });
});

test("while the server is left alone nobody tries unasked", () => {
  automatic().failed(away);
  expect(() => automatic().begin()).toThrow(/not delivered before 20.*is away/);
  new CircuitBreaker(folder, false, clock).begin();
});

test("who asks while it is left alone makes that no longer for the others", () => {
  automatic().failed(away);
  const { failures, open_until } = readDelivery(folder);
  for (let i = 0; i < 5; i++)
    new CircuitBreaker(folder, false, clock).failed(
      new Failure("timeout", "too slow"),
    );
  expect(readDelivery(folder)).toMatchObject({ failures, open_until });
  expect(readDelivery(folder).last_error).toBe("too slow");
});

test("a process tries again only what may be different, when it was the first to fail", () => {
  const pauses = (breaker: CircuitBreaker, error: unknown) => {
    breaker.failed(error);
    return breaker.pause_ms();
  };
  expect(pauses(new CircuitBreaker(folder, false, clock), away)).toBe(null);
  expect(pauses(automatic(), away)).toBe(null);
  rmSync(join(folder, "delivery.json"));
  const first = automatic();
  expect(pauses(first, away)).toBe(500);
  expect(pauses(first, away)).toBe(1_000);
  // Its own failures do not stop it, and are one to all others.
  first.begin();
  expect(readDelivery(folder).failures).toBe(1);
  expect(pauses(first, new Overloaded("too much", 2_000))).toBe(4_000);
  expect(pauses(first, new Overloaded("too much", 60_000))).toBe(null);
  for (const code of ["unauthorized", "refused", "timeout"] as const)
    expect(pauses(first, new Failure(code, "no"))).toBe(null);
  for (let i = 0; i < 10; i++)
    expect(pauses(first, away)!).toBeLessThanOrEqual(10_000);
});

test("a pause is any part of the longest", () => {
  const breaker = automatic(0.25);
  breaker.failed(away);
  expect(breaker.pause_ms()).toBe(125);
});

test("a time that no drain has written does not hold anybody up", () => {
  const at = (ms: number) => ({
    ...readDelivery(folder),
    open_until: new Date(now + ms).toISOString(),
  });
  expect(isOpen(at(1), now)).toBe(true);
  expect(isOpen(at(0), now)).toBe(false);
  expect(isOpen(at(86_400_000), now)).toBe(false);
});

test("a damaged note is none", () => {
  for (const text of ["", "{", "null", '"x"', "\0"]) {
    writeFileSync(join(folder, "delivery.json"), text);
    expect(readDelivery(folder).failures).toBe(0);
    automatic().begin();
  }
});

test("a folder that is gone costs nobody his delivery", () => {
  const breaker = new CircuitBreaker(join(folder, "gone"), true, clock);
  breaker.succeeded();
  breaker.failed(away);
  expect(breaker.pause_ms()).not.toBe(null);
});

test("an event that is rejected was delivered; asking leaves no trace", async () => {
  const rejected = new Rejected(new Map([["e", "no"]]), new Set());
  const store = {
    append: () => Promise.reject(rejected),
    seen: () => Promise.reject(away),
    get: () => Promise.resolve(null),
  } as unknown as SessionStore;
  const noted = automatic().guard(store);
  await noted.get("x");
  await noted.seen(new Map());
  expect(readDelivery(folder).last_success).toBe(null);
  await expect(noted.append([])).rejects.toBe(rejected);
  expect(readDelivery(folder)).toMatchObject({ failures: 0 });
  expect(readDelivery(folder).last_success).not.toBe(null);
  await expect(noted.seen(new Map([["s", "t"]]))).rejects.toBe(away);
  expect(readFileSync(join(folder, "delivery.json"), "utf8")).toContain(
    '"failures":1,',
  );
});
