/** The pictures of README.md and docs/: all there, all shown, and taken again by one command. */
import { describe, expect, test } from "bun:test";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { browse, hasBrowser } from "../support/browser.ts";
import { PAGES } from "../support/pages.ts";
import { Sandbox } from "../support/sandbox.ts";
import { scene } from "../support/scene.ts";
import { TestServer } from "../support/server.ts";
import { SHOTS, replay, shot, table, terminal } from "../support/shots.ts";

const ROOT = join(import.meta.dir, "../..");
const PNG = "\x89PNG\r\n\x1a\n";
const MOST_BYTES = 160_000;

const shown = PAGES.flatMap(({ file, text }) =>
  [...text.matchAll(/!\[([^\]]*)\]\(([^)]+)\)/g)].map(([, alt, path]) => ({
    alt: alt!,
    path: relative(ROOT, join(ROOT, dirname(file), path!)),
  })),
);

test("each picture is there, small, and said in words", () => {
  for (const { alt, path } of shown) {
    const file = readFileSync(join(ROOT, path));
    expect(file.toString("latin1", 0, 8)).toBe(PNG);
    expect([path, file.length < MOST_BYTES]).toEqual([path, true]);
    expect(alt.split(" ").length).toBeGreaterThan(5);
  }
});

test("none lies about that no page shows", () => {
  const folder = join(ROOT, "docs/pictures");
  const kept = readdirSync(folder).map((name) => `docs/pictures/${name}`);
  expect([...new Set(shown.map(({ path }) => path))].sort()).toEqual(
    kept.sort(),
  );
});

describe.skipIf(!hasBrowser)("taken again", () => {
  test("the page and the terminal still look like something", async () => {
    using sandbox = new Sandbox();
    sandbox.env["TZ"] = "UTC";
    scene(sandbox);
    await using server = await TestServer.start(sandbox);
    await using browser = await browse();
    for (const name of ["timeline", "session"]) {
      const one = SHOTS.find((each) => each.name === name)!;
      const picture = await shot(browser, sandbox, one, "light");
      expect(picture.length).toBeGreaterThan(20_000);
    }
    const shown = await table(sandbox);
    expect(shown).toContain("systemctl restart nginx");
    expect(shown).not.toContain("session-buddy: ");
    const drawn = await replay(sandbox);
    expect(Bun.stripANSI(drawn)).toContain("paused");
    const size = { columns: 100, rows: 25 };
    const { origin } = server;
    const picture = await terminal(browser, origin, drawn, size);
    expect(picture.length).toBeGreaterThan(20_000);
  }, 400_000);
});
