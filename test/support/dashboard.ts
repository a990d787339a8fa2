/** The dashboard of a real server in a real browser, and whatever it said and asked for. */
import type { Browser, Page } from "playwright-core";
import type { Sandbox } from "./sandbox.ts";

export interface Dashboard {
  page: Page;
  /** Origins of all requests. */
  origins: Set<string>;
  /** Of its console, of errors, of dialogs and of its policy. */
  said: string[];
}

/** The address that `session-buddy dashboard` prints. */
export async function invitation(
  sandbox: Sandbox,
  ...args: string[]
): Promise<string> {
  const { stdout, stderr, exitCode } = await sandbox.run([
    ...["dashboard", ...args],
  ]);
  if (exitCode !== 0) throw new Error(`dashboard: ${exitCode} ${stderr}`);
  return stdout.trim();
}

/** For what a page shall show, on a busy machine. */
const WAIT_MS = 100_000;

/** A page that has not gone anywhere yet. */
export async function newPage(
  browser: Browser,
  options: Parameters<Browser["newPage"]>[0] = {},
): Promise<Dashboard> {
  const page = await browser.newPage({
    ...{ timezoneId: "Europe/Berlin", locale: "en-GB", ...options },
  });
  page.setDefaultTimeout(WAIT_MS);
  const origins = new Set<string>();
  const said: string[] = [];
  page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol !== "data:") origins.add(origin);
  });
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(error.message));
  page.on("dialog", (dialog) => {
    said.push(dialog.message());
    void dialog.dismiss();
  });
  return { page, origins, said };
}

/** A page that was let in, at a view: `/search?text=nginx`. */
export async function enter(
  browser: Browser,
  sandbox: Sandbox,
  view = "/now",
  options: Parameters<Browser["newPage"]>[0] = {},
): Promise<Dashboard> {
  for (let tries = 0; ; tries++) {
    const opened = await newPage(browser, options);
    const { page } = opened;
    const address = await invitation(sandbox);
    await page.goto(`${address}&to=${encodeURIComponent(view)}`);
    const live = page.getByText("live", { exact: true });
    // A busy machine may take the minute that an invitation holds.
    const late = page.getByText("older than a minute");
    await live.or(late).first().waitFor();
    if (!(await late.isVisible())) return opened;
    if (tries > 5) throw new Error("no invitation is taken");
    await page.close();
  }
}
