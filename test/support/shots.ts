/**
 * Pictures of the dashboard's pages, and of what the executable draws in a terminal,
 * which the page's own player shows.
 */
import type { Browser, Page } from "playwright-core";
import { enter, newPage } from "./dashboard.ts";
import { Pty } from "./pty.ts";
import { BINARY, type Sandbox } from "./sandbox.ts";
import { RECORDED } from "./scene.ts";

export interface Shot {
  name: string;
  view: string;
  /** What the page does before it is taken. */
  act?: (page: Page) => Promise<void>;
  /** What is there once all is. */
  there: string;
}

const WEEK = "from=2026-02-02T00:00:00Z&to=2026-02-07T00:00:00Z";
const MOMENT = "2026-02-06T14:05:00Z";
const DAY = "from=2026-02-06T06:00:00Z&to=2026-02-06T18:00:00Z";
const FEBRUARY = "after=2026-02-01&before=2026-02-08";
const session = `/session?id=${RECORDED}`;

export const SHOTS: readonly Shot[] = [
  { name: "now", view: "/now", there: "table" },
  {
    name: "timeline",
    view: `/timeline?${DAY}&at=${MOMENT}`,
    there: "section table",
  },
  { name: "week", view: `/timeline?${WEEK}`, there: ".lanes canvas" },
  { name: "session-closed", view: session, there: ".commands" },
  {
    name: "session",
    view: `${session}&t=2046`,
    there: ".controls",
    act: async (page) => {
      await page.locator(".ap-line", { hasText: "timeout" }).waitFor();
    },
  },
  {
    name: "transcript",
    view: `${session}&t=1870`,
    there: ".controls",
    act: (page) => page.getByText("Transcript", { exact: true }).click(),
  },
  { name: "search", view: "/search?text=nginx", there: "mark" },
  { name: "sessions", view: "/search?unreviewed=1", there: "table" },
  { name: "charts", view: `/charts?${FEBRUARY}`, there: ".chart canvas" },
  { name: "alerts", view: "/alerts", there: "[role=status]" },
];

export const LOOKS = {
  light: { colorScheme: "light", viewport: { width: 1200, height: 700 } },
  dark: { colorScheme: "dark", viewport: { width: 1200, height: 700 } },
  narrow: { colorScheme: "light", viewport: { width: 390, height: 844 } },
} as const;
export type Look = keyof typeof LOOKS;

/** A picture as PNG. */
export type Picture = Buffer;

export async function shot(
  browser: Browser,
  sandbox: Sandbox,
  { view, there, act }: Shot,
  look: Look,
  fullPage = false,
): Promise<Picture> {
  const options = { ...LOOKS[look], timezoneId: "UTC" };
  const { page, said } = await enter(browser, sandbox, view, options);
  await page.locator(there).first().waitFor();
  await act?.(page);
  await page.getByText("asking…").waitFor({ state: "detached" });
  await page.evaluate("document.fonts.ready");
  const picture = await page.screenshot({ animations: "disabled", fullPage });
  if (said.length > 0) throw new Error(`${view} said: ${said.join("\n")}`);
  await page.close();
  return picture;
}

/** What is typed at a terminal, and what came of it. */
export async function table(sandbox: Sandbox): Promise<string> {
  const commands = [
    'who --at "2026-02-06 14:05"',
    'list-commands --failed --during "2026-02-06 13:30..14:30"',
    'list-sessions --during "2026-02-06 12:00..18:00"',
  ];
  const typed = commands.map(
    (command) =>
      `printf '\\033[32m$\\033[m session-buddy %s\\n' ${quoted(command)}; ${BINARY} ${command}; echo`,
  );
  const argv = ["sh", "-c", typed.join(";")];
  await using pty = new Pty(sandbox, argv, { columns: 96 });
  await pty.ended();
  return pty.raw().trimEnd();
}

const quoted = (text: string) => `'${text}'`;

/** A replay in a terminal, paused where something failed. */
export async function replay(sandbox: Sandbox): Promise<string> {
  const argv = [BINARY, "replay", RECORDED, "--from", "2031"];
  const env = { LINES: "", COLUMNS: "" };
  await using pty = new Pty(sandbox, argv, { columns: 100, env });
  pty.resize(100, 25);
  await pty.expect("33:5");
  pty.type(" ");
  await pty.expect("paused");
  const drawn = pty.raw();
  pty.type("q");
  await pty.ended();
  return drawn;
}

/** What a program wrote, as a terminal of that size shows it. */
export async function terminal(
  browser: Browser,
  origin: string,
  text: string,
  { columns, rows }: { columns: number; rows: number },
): Promise<Picture> {
  const { page } = await newPage(browser, {
    viewport: { width: 1200, height: 900 },
    deviceScaleFactor: 1,
  });
  await page.goto(origin);
  const term = { cols: columns, rows };
  const cast = [{ version: 3, term }, [0, "o", text], [0.1, "o", ""]];
  const data = cast.map((line) => JSON.stringify(line)).join("\n");
  await page.evaluate(
    `import("/player.js").then(async ({create}) => {
      document.body.replaceChildren();
      const box = document.body.appendChild(document.createElement("div"));
      box.className = "screen";
      const look = {controls: false, fit: false, theme: "session-buddy", cursorMode: "hidden", terminalFontFamily: "var(--mono)", terminalFontSize: "14px"};
      await create({data: ${JSON.stringify(data)}}, box, {...look, preload: true}).seek(0.1);
    })`,
  );
  await page.locator(".ap-line").first().waitFor();
  await page.evaluate(
    "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))",
  );
  const picture = await page
    .locator(".ap-player")
    .screenshot({ animations: "disabled" });
  await page.close();
  return picture;
}
