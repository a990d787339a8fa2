/** Who tries a database that was away keeps the others from it for a moment alone. */
import { expect, test } from "bun:test";
import { Presence } from "../../src/store/postgres/presence.ts";
import { Unanswered } from "../../src/store/postgres/retry.ts";
import { until } from "../support/wait.ts";

test("a read that takes long, and is the first when the database is back, keeps nobody waiting", async () => {
  const heard: string[] = [];
  const presence = new Presence("it", {
    onAway: () => heard.push("away"),
    onBack: () => heard.push("back"),
  });
  const silent = () => Promise.reject(new Unanswered("silent"));
  await expect(presence.of(0, silent)).rejects.toThrow("it is away: silent");
  const { promise: end, resolve } = Promise.withResolvers<void>();
  let is_in = false;
  const long = () => {
    is_in = true;
    return end;
  };
  const { asked, beside } = await until("one to be let in", () => {
    const asked = presence.of(0, long);
    // At the same moment nobody tries beside him.
    const beside = presence.of(0, async () => "done");
    for (const one of [asked, beside]) one.catch(() => {});
    return is_in && { asked, beside };
  });
  await expect(beside).rejects.toThrow("it is away");
  await until("the next one", () =>
    presence.of(0, async () => "done").catch(() => null),
  );
  expect([presence.away, heard]).toEqual([null, ["away", "back"]]);
  resolve();
  await asked;
  expect(heard).toEqual(["away", "back"]);
});
