/** What `store.url` says, and what is said of one that cannot be. */
import { expect, test } from "bun:test";
import { addressOf } from "../../src/store/postgres/address.ts";

const hosts = (url: string) => addressOf(url, "any", null).hosts;

test("hosts stand one behind the other, each with its port", () => {
  expect(hosts("postgres://les@one,two:5433/sessions?sslmode=disable")).toEqual(
    [
      { hostname: "one", port: 5432 },
      { hostname: "two", port: 5433 },
    ],
  );
  expect(hosts("postgres://les@[::1]:5434/sessions")).toEqual([
    { hostname: "::1", port: 5434 },
  ]);
});

test("a folder is that of a socket, whose name has the port of the URL", () => {
  const folder = "?host=/var/run/postgresql";
  for (const [place, port] of [
    ["", 5432],
    [":5433", 5433],
  ])
    expect(hosts(`postgres://les@${place}/sessions${folder}`)).toEqual([
      { path: `/var/run/postgresql/.s.PGSQL.${port}` },
    ]);
  expect(hosts("postgres://les@%2Ftmp/sessions")).toEqual([
    { path: "/tmp/.s.PGSQL.5432" },
  ]);
});

test("a % that quotes nothing is named", () => {
  for (const url of [
    "postgres://le%s@db/sessions",
    "postgres://les@db/100%",
    "postgres://les@d%b/sessions",
  ])
    expect(() => addressOf(url, "any", null)).toThrow(
      expect.objectContaining({
        code: "config",
        sentence: expect.stringMatching(/'.*%.*' has a % that quotes nothing$/),
      }),
    );
});
