/** The dashboard of a store that is full of markup, and what a checker of accessibility says of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import axe from "axe-core/axe.min.js" with { type: "text" };
import type { Browser } from "playwright-core";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { browse, hasBrowser } from "../support/browser.ts";
import { enter } from "../support/dashboard.ts";
import { command, end, start } from "../support/events.ts";
import { configure } from "../support/host.ts";
import { hostile } from "../support/markup.ts";
import { Random } from "../support/random.ts";
import {
  hostile as sequence,
  keep,
  recordingOf,
  shown,
} from "../support/recording.ts";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

const sandbox = new Sandbox();
const NOW = Date.now();
const at = (n: number, seconds = 0) =>
  new Date(
    NOW - (hostile.length - n) * 3_600_000 + seconds * 1_000,
  ).toISOString();
let server: TestServer;
let browser: Browser;

const idOf = (n: number) => `${hostile[n]}-${n}`;
/** Its terminal was recorded, and shows all of them. */
const RECORDED = "bash-20260206-123456-1a2b3c4d";

describe.skipIf(!hasBrowser)("a store full of markup", () => {
  beforeAll(async () => {
    mkdirSync(sandbox.data, { recursive: true, mode: 0o700 });
    const store = await DuckDBStore.open(sandbox.database);
    await store.append(hostile.flatMap((text, n) => life(text, n)));
    await store.append(recordedLife());
    await store.close();
    const random = Random.seeded("sequences");
    const outputs = hostile.map((text, n) =>
      shown(n * 0.1, `${text}${sequence(random)}\r\n`),
    );
    keep(sandbox, recordingOf([outputs]), RECORDED);
    configure(
      sandbox,
      "alerts: {max_age: 365d, rules: {failed: {when: command, exit: failed, tell: log, at_most: 1000}}}\n",
    );
    server = await TestServer.start(sandbox);
    // Raised of what comes while the server lives; argv holds no NUL.
    const begin = ["emit", "start", "--component", "deploy", "--pid", "1"];
    const id = (await sandbox.run(begin)).stdout.trim();
    for (const text of hostile.slice(0, 20)) {
      const words = [id, text.replaceAll("\0", "")];
      const args = ["emit", "command", "--exit-code", "1", "--", ...words];
      expect(await sandbox.run(args)).toMatchObject({ exitCode: 0 });
    }
    browser = await browse();
  }, 400_000);
  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
    sandbox[Symbol.dispose]();
  });

  const year = new Date(NOW - 366 * 86_400_000).toISOString();
  const VIEWS: [name: string, view: string, there: string][] = [
    ["now", "/now", "table"],
    ["session", `/session?id=${encodeURIComponent(idOf(18))}`, ".commands"],
    ["player", `/session?id=${RECORDED}&t=30`, ".controls"],
    ["search", "/search?text=<&regex=", "mark"],
    ["sessions", "/search?unreviewed=1", "table"],
    ["charts", `/charts?after=${year}`, ".chart canvas"],
    ["alerts", "/alerts?all=1", "table"],
    [
      "timeline",
      `/timeline?from=${year}&to=${new Date(NOW).toISOString()}&at=${at(100, 5)}`,
      "table",
    ],
  ];

  for (const [name, view, there] of VIEWS)
    for (const colorScheme of ["light", "dark"] as const)
      test(`${name}, ${colorScheme}: all of it stays text, and the checker finds nothing`, async () => {
        const width = colorScheme === "dark" ? 400 : 1280;
        const { page, origins, said } = await enter(browser, sandbox, view, {
          ...{ colorScheme, viewport: { width, height: 900 } },
        });
        await page.locator(there).first().waitFor();
        await page.getByText("asking…").waitFor({ state: "detached" });
        for (const summary of await page.locator("summary").all())
          await summary.click();
        // The player draws some signs as pictures of its own.
        const markup =
          "#page :is(img, iframe, svg, style, script, base, meta, a[href^=javascript])";
        expect(
          await page.locator(`${markup}:not(.ap-wrapper svg)`).count(),
        ).toBe(0);
        expect(await page.locator("main").innerText()).toMatch(/q\d+z/);
        expect(said).toEqual([]);
        expect([...origins]).toEqual([server.origin]);
        const wide = "document.documentElement.scrollWidth > innerWidth";
        expect(await page.evaluate(wide)).toBe(false);
        await page.evaluate(axe);
        const { violations } = (await page.evaluate("axe.run()")) as {
          violations: { id: string; nodes: { html: string }[] }[];
        };
        expect(
          violations.map(({ id, nodes }) => [id, nodes.map((n) => n.html)]),
        ).toEqual([]);
        await page.close();
      });
});

/** A session whose recorded terminal shows them, by commands that are them. */
function recordedLife() {
  const of = { session_id: RECORDED, pid: 7, shell_started_us: 1 };
  const when = (n: number) =>
    new Date(Date.parse("2026-02-06T12:34:56Z") + n * 100).toISOString();
  return [
    start({ session_id: RECORDED, timestamp: when(0) }),
    // Each shape of them.
    ...hostile
      .slice(0, 40)
      .map((text, n) =>
        command(0, { ...of, seq: n + 1, text, timestamp: when(n) }),
      ),
    end(0, {
      ...{ session_id: RECORDED, timestamp: when(600) },
      measured: { recording: { bytes: 1, duration_ms: 50_000 } },
    }),
  ];
}

/** A session all of whose texts are one. */
function life(text: string, n: number) {
  const session_id = idOf(n);
  const of = { session_id, pid: 7, seq: 1, shell_started_us: n };
  const ends = { session_id, timestamp: at(n, 600) };
  return [
    start({
      ...{ session_id, timestamp: at(n), session_type: text },
      ...{ component_name: text, shell_type: text, hostname: text },
      ...{ user: { username: text, home: text }, tty: text },
      environment: { python_version: text, platform: text, cwd: text },
      ...{ name: text, reason: text, tags: [text] },
      metadata: { [text]: text },
    }),
    command(0, { ...of, text, cwd: text, timestamp: at(n, 1) }),
    command(0, {
      ...{ ...of, event_type: "command_end", exit_code: n % 3 },
      ...{ duration_ms: 1_000 + n, timestamp: at(n, 2) },
    }),
    ...(n % 3 === 0
      ? [end(0, { ...ends, exit_code: null, signal: text })]
      : n % 3 === 1
        ? [end(0, { ...ends, exit_code: 3 })]
        : []),
  ];
}
