import { expect, test } from "bun:test";
import {
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
  expect(toComponentName("/usr/bin/python3.11")).toBe("-usr-bin-python3-11");
  expect(toComponentName("")).toBe("shell");
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
