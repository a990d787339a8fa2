import { expect, test } from "bun:test";
import {
  componentOf,
  endEventId,
  idHexOf,
  isComponentName,
  isSessionId,
  sessionIdOf,
  startSecondOf,
  toComponentName,
} from "../../src/model/id.ts";
import { Random } from "../support/random.ts";

test("a session id holds the component, the UTC second and the event's head", () => {
  const started = new Date("2026-02-06T23:59:59.999-05:00");
  const id = sessionIdOf(
    "mahavishnu",
    started,
    "1a2b3c4d-0000-4000-8000-000000000000",
  );
  expect(id).toBe("mahavishnu-20260207-045959-1a2b3c4d");
  expect(isSessionId(id)).toBeTrue();
});

test("nothing else passes for a session id", () => {
  const good = "a-20260206-123456-1a2b3c4d";
  const channel = "chan_0123456789ab";
  for (const id of [
    good,
    channel,
    `${good}00ff`,
    `${"x".repeat(100)}${good.slice(1)}`,
  ])
    expect([id, isSessionId(id)]).toEqual([id, true]);
  for (const id of [
    "",
    "-20260206-123456-1a2b3c4d",
    `${good}\n`,
    `${good}\0`,
    ` ${good}`,
    `../${good}`,
    `a/b${good.slice(1)}`,
    good.toUpperCase(),
    good.slice(0, -1),
    `${good}${"0".repeat(25)}`,
    `${"x".repeat(101)}${good.slice(1)}`,
    "a-2026026-123456-1a2b3c4d",
    "ä-20260206-123456-1a2b3c4d",
    `${channel}0`,
    channel.slice(0, -1),
    `x${channel}`,
    "chan_0123456789aB",
  ])
    expect([id, isSessionId(id)]).toEqual([id, false]);
});

test("any text becomes a component that makes a session id", () => {
  const random = Random.seeded("component names");
  expect(toComponentName("/usr/bin/python3.11")).toBe("usr-bin-python3-11");
  expect(toComponentName("")).toBe("program");
  for (let n = 0; n < 1_000; n++) {
    const text = String.fromCharCode(
      ...Array.from({ length: random.int(0, 200) }, () =>
        random.int(0, random.pick([0x7f, 0xffff])),
      ),
    );
    const component = toComponentName(text);
    expect([text, isComponentName(component)]).toEqual([text, true]);
    const id = sessionIdOf(component, new Date(), random.uuid());
    expect([text, isSessionId(id)]).toEqual([text, true]);
  }
});

test("the second that an id names is read back, when it is one", () => {
  const second = (time: string) => startSecondOf(`a-b-${time}-1a2b3c4d`);
  expect(second("20260206-123456")).toBe("2026-02-06T12:34:56");
  for (const time of [
    "20260230-000000",
    "20260206-240000",
    "20260206-123460",
    "99999999-999999",
  ])
    expect([time, second(time)]).toEqual([time, null]);
  for (const text of ["", "x", "bash-", "20260206-123456-1a2b3c4d", "a-1-2-3"])
    expect([text, startSecondOf(text)]).toEqual([text, null]);
});

test("the hex of a session's id is a UUIDv4's own, of others their SHA-256", () => {
  const v4 = "550e8400-e29b-41d4-a716-446655440000";
  expect(idHexOf(v4)).toBe(v4.replaceAll("-", ""));
  for (const other of [
    "01890a5d-ac96-774b-bcce-b302099a8057",
    // Version 4 in another variant.
    "550e8400-e29b-41d4-c716-446655440000",
  ]) {
    const bytes = Buffer.from(other.replaceAll("-", ""), "hex");
    const sha = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    expect(idHexOf(other)).toBe(sha);
  }
  const began = new Date("2026-02-06T12:34:56Z");
  for (const digits of [8, 12, 32]) {
    const id = sessionIdOf("bash", began, idHexOf(v4), digits);
    expect(id).toBe(`bash-20260206-123456-${idHexOf(v4).slice(0, digits)}`);
    expect(isSessionId(id)).toBeTrue();
  }
});

test("an end's event_id is a UUIDv5 of its session, always the same", () => {
  const id = endEventId("bash-20260206-123456-1a2b3c4d");
  expect(id).toMatch(
    /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  expect(endEventId("bash-20260206-123456-1a2b3c4d")).toBe(id);
  expect(endEventId("bash-20260206-123456-1a2b3c4e")).not.toBe(id);
  // Stored databases hold it: it may not change.
  expect(id).toBe("d9496e33-5716-511b-824c-3ef519be1cba");
});

test("an id names its component", () => {
  expect(componentOf("a-b_c-20260206-123456-1a2b3c4d")).toBe("a-b_c");
  expect(componentOf("chan_0123456789ab")).toBeNull();
});
