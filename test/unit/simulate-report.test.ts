/** What a simulation says a second is by the seconds of its shells. */
import { expect, test } from "bun:test";
import { perSecond } from "../simulate/report.ts";
import type { Heard } from "../simulate/shells.ts";

const heard = (seconds: number, calls: number) => ({ seconds, calls }) as Heard;

test("lines that are read late and at once are of as many seconds", () => {
  expect(perSecond([heard(1, 100), heard(1, 300)], "calls")).toBe(200);
  // Whoever told them may have been late, too.
  expect(perSecond([heard(4, 100)], "calls")).toBe(25);
});
