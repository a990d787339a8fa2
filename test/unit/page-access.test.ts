/** The codes and tokens of the dashboard's page, by a clock of the test's. */
import { expect, test } from "bun:test";
import { PageAccess } from "../../src/auth/page.ts";
import { Live } from "../../src/server/web/live.ts";

const SECRET = "0123456789".repeat(4);

function access(secret: string | null) {
  const clock = { now: Date.parse("2026-02-06T12:00:00Z") };
  return { clock, page: new PageAccess(secret, () => clock.now) };
}
const bearer = ({ token }: { token: string }) => `Bearer ${token}`;

test.each([null, SECRET])("a code holds for a minute", async (secret) => {
  const { clock, page } = access(secret);
  const [soon, late] = [page.code(), page.code()];
  clock.now += 59_999;
  const { expires_at } = await page.trade(soon);
  expect(expires_at).toBe("2026-02-06T16:00:59.999Z");
  clock.now += 1;
  await expect(page.trade(late)).rejects.toThrow("older than a minute");
  await expect(page.trade(soon)).rejects.toThrow("used already");
});

test("codes that nobody trades are forgotten, the oldest first", async () => {
  const { page } = access(null);
  const first = page.code();
  const others = Array.from({ length: 32 }, () => page.code());
  await expect(page.trade(first)).rejects.toThrow("used already");
  for (const code of others) await page.trade(code);
});

test.each([null, SECRET])(
  "a token holds for four hours, and reads",
  async (secret) => {
    const { clock, page } = access(secret);
    const token = await page.trade(page.code());
    expect(await page.authenticate(bearer(token))).toMatchObject({
      scope: "review",
    });
    clock.now += 4 * 3_600_000 - 1_000;
    await page.authenticate(bearer(token));
    clock.now += 1_001;
    await expect(page.authenticate(bearer(token))).rejects.toThrow("expired");
    await expect(page.authenticate(null)).rejects.toThrow("needs a token");
  },
);

test("another process, and another secret, take none of it", async () => {
  for (const [one, other] of [
    [null, null],
    [null, SECRET],
    [SECRET, null],
    [SECRET, SECRET.replace("0", "x")],
  ] as const) {
    const { page } = access(one);
    const token = await page.trade(page.code());
    await expect(
      access(other).page.authenticate(bearer(token)),
    ).rejects.toThrow();
  }
});

test("pages are told that something came; who does not read is not waited for", async () => {
  let seq = 1;
  const live = new Live(() => seq);
  const gone = new AbortController();
  const reader = live.open(gone.signal).body!.getReader();
  const deaf = live.open(undefined).body!;
  const next = async () => Buffer.from((await reader.read()).value!).toString();
  expect(await next()).toContain("retry:");
  expect(await next()).toBe('data: {"seq":1}\n\n');
  for (seq = 2; seq < 8; seq++)
    expect(await next()).toBe(`data: {"seq":${seq}}\n\n`);
  live.close();
  const got = await Array.fromAsync(deaf, (chunk) => `${Buffer.from(chunk)}`);
  expect(got).toHaveLength(4);
  expect((await reader.read()).done).toBe(true);
});

test("there are 32 streams at most", () => {
  const live = new Live(() => 1);
  const end = new AbortController();
  for (let n = 0; n < 32; n++) live.open(end.signal);
  expect(() => live.open(undefined)).toThrow("32 pages");
  end.abort();
  live.open(undefined);
  live.close();
});
