/** The dashboard's player: recordings beside their commands, and a terminal that is watched. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { DuckDBStore } from "../../src/store/duckdb/store.ts";
import { browse, hasBrowser } from "../support/browser.ts";
import { enter } from "../support/dashboard.ts";
import { command, end, start } from "../support/events.ts";
import { Pty } from "../support/pty.ts";
import { begun } from "../support/recorded-screen.ts";
import { blockOf, keep, recordingOf, shown } from "../support/recording.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { until } from "../support/wait.ts";

const BEGAN = Date.parse("2026-02-06T12:34:56.000Z");
const at = (seconds: number) => new Date(BEGAN + seconds * 1_000).toISOString();
const idOf = (n: number) => `bash-20260206-123456-0000000${n}`;
const [PLAYED, NONE, ELSEWHERE, REMOVED, DAMAGED, BROKEN] = [
  1, 2, 3, 4, 5, 6,
].map(idOf) as [string, string, string, string, string, string];

const E = "\x1b[";
/** Three commands, an hour before the last. */
const FILE = [
  [
    shown(0.2, "$ "),
    shown(1.5, "make\r\n"),
    shown(2, `${E}31mred alert${E}m\r\n$ `),
  ],
  [shown(5, "ls\r\n"), shown(5.5, "a.txt  b.txt\r\n$ ")],
  [shown(3_600, "exit\r\n"), shown(3_601, "the end")],
];
const COMMANDS: [at: number, text: string, exit: number][] = [
  [1.5, "make", 2],
  [5, "ls", 0],
  [3_600, "exit", 0],
];

const sandbox = new Sandbox();
let server: TestServer;
let browser: Browser;

function life(session_id: string, isRecorded: boolean, more = {}) {
  const of = { session_id, pid: 7, shell_started_us: 1 };
  return [
    start({ session_id, timestamp: at(0), ...more }),
    ...COMMANDS.flatMap(([begun, text, exit_code], n) => [
      command(0, { ...of, seq: n + 1, text, timestamp: at(begun) }),
      command(0, {
        ...{ ...of, seq: n + 1, exit_code, duration_ms: 400 },
        ...{ event_type: "command_end", timestamp: at(begun + 0.4) },
      }),
    ]),
    end(0, {
      ...{ session_id, timestamp: at(3_601) },
      ...(isRecorded && {
        measured: {
          recording: { bytes: 512, duration_ms: 3_601_000, omitted_bytes: 0 },
        },
      }),
    }),
  ];
}

test("the licence of what plays comes with the executable", async () => {
  using other = new Sandbox();
  const { stdout } = await other.run(["licenses"]);
  expect(stdout).toMatch(/\nasciinema-player \S+ \(Apache-2\.0\)\n\nApache/);
  expect(stdout).toMatch(/\nsolid-js \S+ \(MIT\)\n/);
});

describe.skipIf(!hasBrowser)("the player", () => {
  beforeAll(async () => {
    mkdirSync(sandbox.data, { recursive: true, mode: 0o700 });
    const hostname = (await sandbox.command(["uname", "-n"])).stdout.trim();
    const store = await DuckDBStore.open(sandbox.database);
    for (const id of [PLAYED, REMOVED, DAMAGED, BROKEN])
      await store.append(life(id, true, { hostname }));
    await store.append(life(NONE, false));
    await store.append(life(ELSEWHERE, true, { hostname: "ops-9" }));
    await store.close();
    const header = (session_id: string) => ({ session_id });
    keep(sandbox, recordingOf(FILE, header(PLAYED)), PLAYED);
    const damaged = recordingOf(FILE, header(DAMAGED));
    const middle = damaged.length - blockOf(FILE[2]!).length - 8;
    damaged[middle] = damaged[middle]! ^ 0xff;
    keep(sandbox, damaged, DAMAGED);
    const path = keep(sandbox, recordingOf(FILE), BROKEN);
    writeFileSync(path, "no recording");
    server = await TestServer.start(sandbox);
    browser = await browse();
  }, 400_000);
  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
    sandbox[Symbol.dispose]();
  });

  const open = (id: string, more = "") =>
    enter(browser, sandbox, `/session?id=${id}${more}`);
  const line = (page: Page, text: string | RegExp) =>
    page.locator(".ap-line", { hasText: text }).waitFor();
  const current = (page: Page, text: string) =>
    page.locator(".commands [aria-current=true]", { hasText: text });
  const marked = (page: Page, text: string) => current(page, text).waitFor();

  test("a click on a command seeks to it, what plays is marked, and the address has the second", async () => {
    const { page, said, origins } = await open(PLAYED);
    await page.getByText("Its terminal was recorded: 1h 00m, 512 B.").waitFor();
    expect(await page.locator(".ap-player").count()).toBe(0);
    await page.locator(".commands a", { hasText: "ls" }).click();
    await line(page, "red alert");
    await marked(page, "ls");
    await page.waitForURL(/[?&]t=5\.0/);
    await page
      .getByLabel("Watched by")
      .getByText(/^\S+@\S+$/)
      .waitFor();
    await page.locator(".commands a", { hasText: "exit" }).click();
    await line(page, "a.txt  b.txt");
    await marked(page, "exit");
    await page.waitForURL(/[?&]t=3600\.0/);
    await page.reload();
    await marked(page, "exit");
    await line(page, "$ exit");
    // In the middle of an hour of waiting, what ended it is not there yet.
    await page.evaluate(
      "location.hash = location.hash.replace(/t=[^&]*/, 't=1800')",
    );
    await marked(page, "ls");
    await page
      .locator(".ap-line", { hasText: "exit" })
      .waitFor({ state: "detached" });
    expect(said).toEqual([]);
    expect([...origins]).toEqual([server.origin]);
    await page.close();
  });

  test("it plays, an hour of waiting is short, and commands are marked as they come", async () => {
    const { page, said } = await open(PLAYED);
    const play = page.getByRole("button", { name: "Play" });
    await play.waitFor();
    // Its time goes on by steps and stands still for each look: none comes too late.
    await page.clock.install();
    await page.clock.pauseAt(Date.now() + 3_600_000);
    await play.click();
    for (const text of ["make", "ls"])
      await until(
        `${text} to be marked`,
        async () => {
          await page.clock.runFor(500);
          return current(page, text).isVisible();
        },
        300_000,
      );
    await page.clock.resume();
    await page.getByLabel("Speed").selectOption("16");
    await marked(page, "exit");
    await line(page, "the end");
    await page.getByRole("button", { name: "Play" }).waitFor();
    await page.waitForURL(/[?&]t=3601\.0/);
    await page.getByLabel("shorten waits").click();
    await page.locator("input[type=range][max='3601']").waitFor();
    const slider = page.getByLabel("Where in the recording");
    expect(await slider.getAttribute("aria-valuetext")).toBe(
      "1h 00m of 1h 00m",
    );
    expect(said).toEqual([]);
    await page.close();
  });

  test("a second of the address opens there, by keys it goes on and back", async () => {
    const { page, said } = await open(PLAYED, "&t=2.5");
    await line(page, "red alert");
    await marked(page, "make");
    const screen = page.getByLabel("The terminal as it was.");
    await screen.focus();
    await page.keyboard.press("]");
    await page.waitForURL(/[?&]t=5\.0/);
    await marked(page, "ls");
    await page.keyboard.press("ArrowLeft");
    await page.waitForURL((url) => !url.hash.includes("t="));
    await page.keyboard.press("End");
    await line(page, "the end");
    await page.keyboard.press("[");
    await page.waitForURL(/[?&]t=3600\.0/);
    await page.keyboard.press("+");
    await page.getByRole("combobox", { name: "Speed" }).waitFor();
    expect(await page.getByLabel("Speed").inputValue()).toBe("2");
    await page.keyboard.press("f");
    await page.locator(".screen:fullscreen").waitFor();
    await page.keyboard.press("f");
    await page.locator(".screen:not(:fullscreen)").waitFor();
    // With its waits as they were it does not come to its end before it is paused.
    await page.getByLabel("shorten waits").click();
    await page.locator("input[type=range][max='3601']").waitFor();
    await screen.focus();
    await page.keyboard.press("Home");
    await page.waitForURL((url) => !url.hash.includes("t="));
    await page.keyboard.press(" ");
    await page.getByRole("button", { name: "Pause" }).waitFor();
    await page.keyboard.press(" ");
    await page.getByRole("button", { name: "Play" }).waitFor();
    expect(said).toEqual([]);
    await page.close();
  });

  test("somebody in a hurry does not set it going to and fro", async () => {
    const { page, said } = await open(PLAYED, "&t=2.5");
    await line(page, "red alert");
    await page.evaluate(`{
      const screen = document.querySelector(".screen");
      for (let n = 0; n < 100; n++)
        for (const key of ["]", "End", "[", "+", "Home", " ", "-", "ArrowRight"])
          screen.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
      for (const link of document.querySelectorAll(".commands a")) link.click();
    }`);
    await page.getByRole("link", { name: "Now" }).click();
    await page.getByRole("heading", { name: "Now" }).waitFor();
    await page.goBack();
    await page.locator(".commands a", { hasText: "ls" }).click();
    await marked(page, "ls");
    await page.waitForURL(/[?&]t=5\.0/);
    expect(said).toEqual([]);
    await page.close();
  });

  test.each([
    [
      "a click",
      (page: Page) => page.locator(".commands a", { hasText: "ls" }).click(),
    ],
    [
      "another second of the address",
      (page: Page) =>
        page.evaluate(
          "location.hash = location.hash.replace(/t=[^&]*/, 't=5')",
        ),
    ],
  ])("%s while it is fetched counts", async (_, ask) => {
    const { page, said } = await enter(browser, sandbox);
    const asked = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    await page.route("**/*.cast", async (route) => {
      asked.resolve();
      await held.promise;
      await route.continue();
    });
    await page.evaluate(`location.hash = "/session?id=${PLAYED}&t=3600"`);
    await asked.promise;
    await ask(page);
    held.resolve();
    await marked(page, "ls");
    await page.waitForURL(/[?&]t=5(\.0)?\b/);
    expect(said).toEqual([]);
    await page.close();
  });

  test("a hit in output opens at its second", async () => {
    const hits = () => sandbox.run(["search", "a.txt", "--in", "output"]);
    await until("the index", async () => (await hits()).exitCode === 0);
    const { page, said } = await enter(browser, sandbox, "/search?text=a.txt");
    const row = page.getByRole("row").filter({ hasText: "output" }).first();
    await row.getByRole("rowheader").getByRole("link").click();
    await line(page, "a.txt  b.txt");
    await marked(page, "ls");
    await page.waitForURL(/[?&]t=5\.5/);
    expect(said).toEqual([]);
    await page.close();
  });

  test("its text can be read, and leads to its place", async () => {
    const { page } = await open(PLAYED, "&t=1");
    await page.getByText("Transcript").click();
    const part = page.locator(".transcript > div", { hasText: "a.txt" });
    await page.getByText("$ exit the end").waitFor();
    await part.getByRole("link").click();
    await marked(page, "ls");
    await page.close();
  });

  test.each([
    [NONE, false, "Its terminal was not recorded."],
    [ELSEWHERE, true, "is on ops-9"],
    [REMOVED, true, "its recording was removed"],
    [BROKEN, true, "damaged"],
  ])("one that cannot be played: %s", async (id, asks, sentence) => {
    const { page } = await open(id);
    if (asks) await page.getByRole("button", { name: "Play" }).click();
    await page.getByText(sentence).waitFor();
    await page.locator(".commands a", { hasText: "ls" }).waitFor();
    await page.close();
  });

  test("of a damaged one what is whole is played, and the rest is named", async () => {
    const { page } = await open(DAMAGED, "&t=3601");
    await line(page, "the end");
    await page.getByText(/the recording is damaged: \d+ B/).waitFor();
    await page.close();
  });

  test("a cast that was exported plays by its file alone", async () => {
    const args = ["export", PLAYED, "--format", "cast", "--output", "x.cast"];
    await sandbox.run(args);
    const cast = await Bun.file(join(sandbox.home, "x.cast")).text();
    const { page, said } = await open(NONE);
    await page.evaluate(
      `import("/player.js").then(async ({create}) => {
        const box = document.body.appendChild(document.createElement("div"));
        const player = create({data: ${JSON.stringify(cast)}}, box, {preload: true, idleTimeLimit: 1});
        await player.seek("100%");
      })`,
    );
    await line(page, "the end");
    expect(said).toEqual([]);
    await page.close();
  });

  test("one that goes on is watched as it goes on", async () => {
    await using shell = new Pty(sandbox, [BINARY, "shell", "--record"]);
    await shell.expect(/[#$] $/);
    shell.line("echo be''fore");
    await shell.expect("before");
    const [session] = await sandbox.list("--status", "active");
    // It is shown before it is recorded.
    await until("its recording", () => begun(sandbox, session!.session_id));
    const { page, said } = await open(session!.session_id);
    await page.getByRole("button", { name: "Watch live" }).click();
    await line(page, "before");
    expect(page.url()).toContain("live=1");
    shell.line("echo ne''w");
    await line(page, /^new\s*$/);
    // Left, it stands at what was shown last; the address leads to it as it goes on.
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: "Play" }).waitFor();
    await line(page, /^new\s*$/);
    await page.evaluate(
      "location.hash = location.hash.replace(/&t=.*/, '&live=1')",
    );
    await page.reload();
    await line(page, /^new\s*$/);
    shell.line("exit");
    await shell.ended();
    await page.getByText("the session has ended, with exit status 0").waitFor();
    await page.getByRole("button", { name: "Play from the start" }).click();
    await marked(page, "echo be''fore");
    expect(said).toEqual([]);
    await page.close();
  });
});
