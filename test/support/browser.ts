/** A real browser that opens a file: what it asks for, says, and shows. */
import { type Browser, chromium } from "playwright-core";
import { needs } from "./tools.ts";

/** Debian's; the tests bring none of their own. */
const EXECUTABLE = Bun.which("chromium");
export const hasBrowser = needs("chromium");

export const browse = (): Promise<Browser> =>
  chromium.launch({
    timeout: 100_000,
    executablePath: EXECUTABLE!,
    args: [
      // No other host is there, whatever a page asks for.
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
      // Its own sandbox does not start as root.
      ...(process.geteuid!() === 0 ? ["--no-sandbox"] : []),
    ],
  });

export interface Opened {
  page: Awaited<ReturnType<Browser["newPage"]>>;
  /** Whatever it fetched, the file too. */
  requests: string[];
  /** Of its console, of errors and of dialogs. */
  said: string[];
}

export async function openFile(
  browser: Browser,
  path: string,
  colorScheme: "light" | "dark" = "light",
): Promise<Opened> {
  const page = await browser.newPage({ colorScheme });
  page.setDefaultTimeout(100_000);
  const requests: string[] = [];
  const said: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(error.message));
  page.on("dialog", (dialog) => {
    said.push(dialog.message());
    void dialog.dismiss();
  });
  await page.goto(`file://${path}`);
  return { page, requests, said };
}
