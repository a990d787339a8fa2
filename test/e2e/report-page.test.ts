/** `analytics report --output report.html`: the page, in a real browser. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { escapeText } from "../../src/render/escape.ts";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { browse, hasBrowser, openFile } from "../support/browser.ts";
import { at, command, end, start } from "../support/events.ts";
import { hostile } from "../support/markup.ts";
import { Sandbox } from "../support/sandbox.ts";

const RANGE = ["--range", "2026-02-01..2026-03-01"];
const sandbox = new Sandbox();
const file = join(sandbox.home, "report.html");
let page = "";

beforeAll(async () => {
  mkdirSync(sandbox.data, { recursive: true, mode: 0o700 });
  const store = await DuckDBStore.open(sandbox.database);
  await store.append(
    hostile.flatMap((text, n) => {
      const session_id = `${text}-${n}`;
      const of = { session_id, pid: 7, seq: 1, shell_started_us: n };
      const begun = (n % 480) * 3_600;
      return [
        start({
          ...{ session_id, timestamp: at(begun), session_type: text },
          ...{ component_name: text, shell_type: text, hostname: text },
          ...{ user: { username: text, home: text }, tty: text },
          environment: { python_version: text, platform: text, cwd: text },
          ...{ name: text, reason: text, tags: [text] },
          metadata: { [text]: text },
        }),
        command(begun + 1, { ...of, text, cwd: text }),
        command(begun + 2, {
          ...{ ...of, event_type: "command_end", exit_code: (n % 3) + 1 },
          duration_ms: 1_000 + n,
        }),
        ...(n % 4 === 0
          ? [end(begun + 60, { session_id, exit_code: null, signal: text })]
          : n % 4 === 1
            ? [end(begun + 90, { session_id, exit_code: 3 })]
            : n % 4 === 2
              ? [end(begun + 600, { session_id })]
              : []),
      ];
    }),
  );
  await store.close();
  const run = await sandbox.run([
    ...["analytics", "report", ...RANGE, "-n", "1000", "--output", file],
  ]);
  expect(run).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
  page = readFileSync(file, "utf8");
});
afterAll(() => sandbox[Symbol.dispose]());

test("it is a private file, whole, without an address or a script", () => {
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(page).toStartWith("<!doctype html>");
  expect(page.trimEnd()).toEndWith("</html>");
  expect(page).not.toMatch(/<(script|img|link|iframe|object|a|form|base)\b/i);
  expect(page).not.toMatch(/\b(src|href|srcset)\s*=\s*"/);
});

test("the same goes to standard output, and JSON by its name", async () => {
  const { stdout } = await sandbox.run([
    ...["analytics", "report", ...RANGE, "--format", "html", "-n", "5"],
  ]);
  expect(stdout).toStartWith("<!doctype html>");
  const json = join(sandbox.home, "report.json");
  await sandbox.run(["analytics", "report", ...RANGE, "-o", json]);
  expect(JSON.parse(readFileSync(json, "utf8"))).toMatchObject({
    totals: { sessions: hostile.length },
  });
});

test.each([
  [["sessions", "-o", "x.html"], "--output is of the report"],
  [["sessions", "--format", "html"], "only the report is a page"],
  [["report", "--format", "pdf"], "--format takes table, json, html"],
  [["report", "--json", "--format", "html"], "--format takes table, json"],
])("%p says what is wrong", async (args, sentence) => {
  const { exitCode, stderr } = await sandbox.run(["analytics", ...args]);
  expect([exitCode, stderr]).toEqual([64, expect.stringContaining(sentence)]);
});

test("a report never takes the place of the database", async () => {
  const { exitCode, stderr } = await sandbox.run([
    ...["analytics", "report", "-o", sandbox.database, "--format", "html"],
  ]);
  expect(exitCode).not.toBe(0);
  expect(stderr).toContain("sessions.duckdb");
  expect(await sandbox.list()).toHaveLength(hostile.length);
});

describe.skipIf(!hasBrowser)("in a browser", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await browse();
  });
  afterAll(() => browser.close());

  test("nothing leaves it, nothing is said, nothing is but what we wrote", async () => {
    const { page, requests, said } = await openFile(browser, file);
    const found = await page.evaluate<Found>(`(() => {
      const all = [...document.querySelectorAll("*")];
      const names = (of) => [...new Set(of)].sort();
      return {
        title: document.title,
        elements: names(all.map((each) => each.localName)),
        attributes: names(all.flatMap((each) => each.getAttributeNames())),
        scripts: document.scripts.length,
      };
    })()`);
    expect(requests).toEqual([`file://${file}`]);
    expect(said).toEqual([]);
    expect(found.title).toMatch(/^Sessions from 2026-02-01T00:00:00/);
    expect(found.scripts).toBe(0);
    expect(found.elements).toEqual([
      ...["body", "circle", "code", "dd", "details", "div", "dl", "dt"],
      ...["footer", "g", "h1", "h2", "head", "header", "html", "line", "main"],
      ...["meta", "p", "path", "rect", "section", "span", "style", "summary"],
      ...["svg", "table", "tbody", "td", "text", "th", "thead", "title", "tr"],
    ]);
    for (const name of found.attributes)
      expect(name).not.toMatch(/^on|^style$|href|src|action/);
  });

  test("each hostile text is there as text, in every place", async () => {
    const { page } = await openFile(browser, file);
    const texts = (selector: string) =>
      page.evaluate<string[]>(
        `[...document.querySelectorAll("${selector}")].map((each) => each.textContent.trim())`,
      );
    const cells = new Map<string, number>();
    for (const cell of await texts("td"))
      cells.set(cell, (cells.get(cell) ?? 0) + 1);
    // Its component, its host, and the commands that were slow and that failed.
    for (const text of hostile)
      expect([text, cells.get(escapeText(text).trim())! >= 4]).toEqual([
        ...[text, true],
      ]);
    const titles = (await texts("svg title")).join("\n");
    const told = hostile.filter((text) => titles.includes(escapeText(text)));
    expect(told.length).toBeGreaterThanOrEqual(30);
  });

  test("charts are drawn, in light and in dark", async () => {
    for (const [scheme, ground] of [
      ["light", "rgb(246, 247, 249)"],
      ["dark", "rgb(16, 19, 23)"],
    ] as const) {
      const { page } = await openFile(browser, file, scheme);
      const charts = await page.evaluate<Chart[]>(`
        [...document.querySelectorAll("svg.chart")].map((chart) => {
          const marks = [...chart.querySelectorAll("rect[class], circle")];
          const box = (mark) => mark.getBoundingClientRect();
          return {
            label: chart.getAttribute("aria-label"),
            height: box(chart).height,
            seen: marks.filter((mark) => box(mark).width > 0.2 && box(mark).height > 0.2).length,
            colors: [...new Set(marks.map((mark) => getComputedStyle(mark).fill))],
          };
        })`);
      expect(charts.map(({ label }) => label)).toEqual([
        ...[
          "Sessions by day",
          "Duration by day",
          "Sessions by hour of the day",
        ],
        ...["Sessions by user and host, along time", "Users by day"],
      ]);
      for (const { height, seen, colors } of charts) {
        expect(height).toBeGreaterThan(100);
        expect(seen).toBeGreaterThan(20);
        expect(colors).not.toContain("rgb(0, 0, 0)");
      }
      expect(charts[0]!.colors.length).toBe(3);
      expect(
        await page.evaluate<string>(
          "getComputedStyle(document.body).backgroundColor",
        ),
      ).toBe(ground);
    }
  });

  test("its policy stops what would act although it came in", async () => {
    const { page, said } = await openFile(browser, file);
    let asked = 0;
    await using server = Bun.serve({
      ...{ hostname: "127.0.0.1", port: 0 },
      fetch: () => new Response(`${++asked}`),
    });
    const acted = await page.evaluate<unknown[]>(`(async () => {
      const script = document.createElement("script");
      script.textContent = "document.body.dataset.acted = 'yes'";
      const image = document.createElement("img");
      const over = new Promise((resolve) => (image.onerror = resolve));
      image.src = "${server.url.href}x.png";
      const styled = document.createElement("div");
      styled.setAttribute("style", "position: fixed");
      document.body.append(script, image, styled);
      await over;
      return [document.body.dataset.acted ?? null, styled.style.position];
    })()`);
    expect(acted).toEqual([null, ""]);
    expect(asked).toBe(0);
    for (const directive of ["default-src 'none'", "style-src 'sha256-"])
      expect(said.join("\n")).toContain(directive);
  });
});

interface Found {
  title: string;
  elements: string[];
  attributes: string[];
  scripts: number;
}

interface Chart {
  label: string;
  height: number;
  /** Marks that one can see. */
  seen: number;
  colors: string[];
}
