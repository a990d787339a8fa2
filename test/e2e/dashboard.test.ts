/** `session-buddy dashboard`: who is let in, and what the page shows, in a real browser. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Browser } from "playwright-core";
import { browse, hasBrowser } from "../support/browser.ts";
import {
  type Dashboard,
  enter,
  invitation,
  newPage,
} from "../support/dashboard.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { until } from "../support/wait.ts";

const sandbox = new Sandbox();
sandbox.env["TZ"] = "UTC";
let server: TestServer;

const began = async (component: string) => {
  const args = ["emit", "start", "--component", component];
  const { stdout } = await sandbox.run([...args, "--pid", `${process.pid}`]);
  return stdout.trim();
};

beforeAll(async () => {
  server = await TestServer.start(sandbox);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  sandbox[Symbol.dispose]();
});

const post = (
  path: string,
  body: object,
  headers: Record<string, string> = {},
) =>
  fetch(`${server.origin}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

const codeIn = (address: string) => /#k=([\w-]+)/.exec(address)![1]!;

async function token(): Promise<string> {
  const code = codeIn(await invitation(sandbox));
  const answer = await post("/web/token", { code });
  return ((await answer.json()) as { token: string }).token;
}

const WHO = { tool: "who_at", arguments: {} };

describe("who is let in", () => {
  test("there is no page before somebody asks for it", async () => {
    using other = new Sandbox();
    await using quiet = await TestServer.start(other);
    expect((await fetch(`${quiet.origin}/`)).status).toBe(404);
    expect((await fetch(`${quiet.origin}/main.js`)).status).toBe(404);
    expect((await fetch(`${quiet.origin}/player.js`)).status).toBe(404);
    await invitation(other);
    expect((await fetch(`${quiet.origin}/`)).status).toBe(200);
  });

  test("--dashboard serves it from the start, and without a server there is none", async () => {
    using other = new Sandbox();
    const endpoint = { SESSION_BUDDY_MCP_ENDPOINT: "http://127.0.0.1:9/mcp" };
    const distant = await other.run(["dashboard"], { env: endpoint });
    expect(distant.exitCode).toBe(1);
    expect(distant.stderr).toContain("on its host: session-buddy dashboard");
    const without = await other.run(["dashboard"]);
    expect(without.exitCode).toBe(2);
    expect(without.stderr).toContain("mcp start --detach");
    await using shown = await TestServer.start(other, {
      flags: ["--dashboard"],
    });
    const { status, headers } = await fetch(`${shown.origin}/`);
    expect(status).toBe(200);
    expect(headers.get("content-security-policy")).toBe(
      "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    );
    expect(headers.get("set-cookie")).toBeNull();
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
    expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
  });

  test("a code holds once, and no other does", async () => {
    const code = codeIn(await invitation(sandbox));
    expect((await post("/web/token", { code })).status).toBe(200);
    expect((await post("/web/token", { code })).status).toBe(401);
    expect((await post("/web/token", { code: "x" })).status).toBe(401);
    expect((await post("/web/token", { code: { toString: 1 } })).status).toBe(
      401,
    );
    expect((await post("/web/token", {})).status).toBe(401);
  });

  test("without a token nothing is told, though the user is the server's", async () => {
    for (const headers of [{}, { authorization: "Bearer x.y.z" }]) {
      expect((await post("/web/call", WHO, headers)).status).toBe(401);
      expect((await post("/web/review", {}, headers)).status).toBe(401);
      const live = await fetch(`${server.origin}/web/live`, { headers });
      expect(live.status).toBe(401);
    }
  });

  test("it reads, and calls nothing that records", async () => {
    const authorization = `Bearer ${await token()}`;
    const answer = await post("/web/call", WHO, { authorization });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toHaveProperty("sessions");
    for (const tool of ["annotate_session", "track_session_end", "nothing"]) {
      const call = { tool, arguments: { session_id: "x", note: "y" } };
      const refused = await post("/web/call", call, { authorization });
      expect(refused.status).toBe(400);
    }
  });

  test("pages of others are refused, links are not", async () => {
    const authorization = `Bearer ${await token()}`;
    const from = (site: string, more = {}) => ({
      ...{ authorization, "sec-fetch-site": site, ...more },
    });
    const link = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
    const frame = { ...link, "sec-fetch-dest": "iframe" };
    const at = async (path: string, headers: Record<string, string>) =>
      (await fetch(`${server.origin}${path}`, { headers })).status;
    for (const site of ["cross-site", "same-site"]) {
      expect((await post("/web/call", WHO, from(site))).status).toBe(403);
      expect(await at("/web/live", from(site))).toBe(403);
      expect(await at("/", from(site))).toBe(403);
      expect(await at("/", from(site, frame))).toBe(403);
      expect(await at("/main.js", from(site, link))).toBe(403);
      expect(await at("/", from(site, link))).toBe(200);
    }
    expect((await post("/web/call", WHO, from("same-origin"))).status).toBe(
      200,
    );
    const origin = "https://elsewhere.example";
    expect(
      (await post("/web/call", WHO, { authorization, origin })).status,
    ).toBe(403);
    const host = "elsewhere.example";
    expect((await post("/web/call", WHO, { authorization, host })).status).toBe(
      403,
    );
    const text = { authorization, "content-type": "text/plain" };
    expect((await post("/web/call", WHO, text)).status).toBe(415);
  });

  test("a server that began anew, or has another secret, knows no older token", async () => {
    using other = new Sandbox();
    const secret = (letter: string) => ({
      SESSION_BUDDY_SECRET: letter.repeat(40),
    });
    const tokens: string[] = [];
    const ask = async (origin: string, token: string) =>
      (
        await fetch(`${origin}/web/call`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            authorization: `Bearer ${token}`,
          },
          body: JSON.stringify(WHO),
        })
      ).status;
    for (const env of [{}, {}, secret("a"), secret("b")]) {
      await using each = await TestServer.start(other, { env });
      const code = codeIn(await invitation(other));
      for (const old of tokens) expect(await ask(each.origin, old)).toBe(401);
      const answer = await fetch(`${each.origin}/web/token`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ code }),
      });
      const { token } = (await answer.json()) as { token: string };
      expect(await ask(each.origin, token)).toBe(200);
      tokens.push(token);
      await each.stop();
    }
  });
});

describe("with a secret", () => {
  const env = { SESSION_BUDDY_SECRET: "0123456789".repeat(4) };

  test("tokens of the team do, each for what it may", async () => {
    using other = new Sandbox();
    const flags = ["--dashboard"];
    await using shared = await TestServer.start(other, { env, flags });
    const begun = await other.run(["emit", "start", "--component", "deploy"]);
    const session_id = begun.stdout.trim();
    const ask = async (path: string, body: object, token: string) => {
      const answer = await fetch(`${shared.origin}${path}`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          authorization: `Bearer ${token}`,
        },
        body: JSON.stringify(body),
      });
      return answer.status;
    };
    const of = async (scope: string) => {
      const args = ["token", "--scope", scope, "--subject", `${scope}er`];
      return (await other.run(args, { env })).stdout.trim();
    };
    const mark = { session_id, reviewed: true };
    for (const [scope, status] of [
      ["read", 403],
      ["review", 200],
      ["write", 200],
    ] as const) {
      const token = await of(scope);
      expect(await ask("/web/call", WHO, token)).toBe(200);
      expect(await ask("/web/review", mark, token)).toBe(status);
    }
    // The same over MCP: such a token records nothing else.
    const note = await shared.call(
      "annotate_session",
      { session_id, note: "x" },
      { authorization: `Bearer ${await of("review")}` },
    );
    expect(note.text).toContain("may only read");
    const { stdout } = await other.run(["show-session", session_id]);
    expect(stdout).toContain("token:reviewer");
    expect(stdout).not.toContain("token:reader");
  });
});

test.skipIf(process.geteuid!() !== 0)(
  "another user of this host gets nothing without a secret, even by a good code",
  async () => {
    const code = codeIn(await invitation(sandbox));
    const as = (...args: string[]) =>
      sandbox.command([
        ...["setpriv", "--reuid=54321", "--clear-groups"],
        ...["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", ...args],
      ]);
    const { origin } = server;
    expect((await as(`${origin}/`)).stdout).toBe("403");
    const body = ["-H", "content-type: application/json", "-d"];
    const trade = [`${origin}/web/token`, ...body, JSON.stringify({ code })];
    expect((await as(...trade)).stdout).toBe("403");
    expect((await post("/web/token", { code })).status).toBe(200);
  },
);

describe.skipIf(!hasBrowser)("the page", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await browse();
  });
  afterAll(() => browser.close());

  /** Nothing from elsewhere, nothing against its policy, no error. */
  function expectQuiet({ origins, said }: Dashboard): void {
    expect(said).toEqual([]);
    expect([...origins]).toEqual([server.origin]);
  }

  test("the code leaves the address, the token stays in the tab, and there is no cookie", async () => {
    const opened = await enter(browser, sandbox);
    const { page } = opened;
    expect(page.url()).toBe(`${server.origin}/#/now`);
    expect(await page.evaluate("document.cookie")).toBe("");
    expect(await page.evaluate("localStorage.length")).toBe(0);
    expect(await page.evaluate("sessionStorage.length")).toBe(1);
    expectQuiet(opened);
  });

  test("tabs of one browser hand each other the token, until one leaves", async () => {
    const context = await browser.newContext();
    context.setDefaultTimeout(100_000);
    const first = await context.newPage();
    await first.goto(await invitation(sandbox));
    await first.getByText("live", { exact: true }).waitFor();
    const second = await context.newPage();
    await second.goto(`${server.origin}/#/search`);
    await second.getByRole("heading", { name: "Search" }).waitFor();
    await second.getByRole("button", { name: "Leave" }).click();
    await first.getByRole("heading", { name: "Who are you?" }).waitFor();
    const third = await context.newPage();
    await third.goto(server.origin);
    await third.getByRole("heading", { name: "Who are you?" }).waitFor();
    await context.close();
  });

  test("what goes on does not keep an answer from coming that takes long", async () => {
    const id = await began("deploy");
    const [slow, other] = [await newPage(browser), await newPage(browser)];
    const held: (() => void)[] = [];
    let holds = true;
    await slow.page.route("**/web/call", (route) => {
      if (holds) held.push(() => void route.continue());
      else void route.continue();
    });
    await slow.page.goto(await invitation(sandbox, id));
    await other.page.goto(await invitation(sandbox, id));
    await slow.page.getByText("live", { exact: true }).waitFor();
    for (const text of ["one", "two", "three"]) {
      await sandbox.run(["emit", "command", id, text, "--exit-code", "0"]);
      await other.page.getByText(text, { exact: true }).waitFor();
    }
    expect(held).toHaveLength(1);
    holds = false;
    held[0]!();
    await slow.page.getByText("three", { exact: true }).waitFor();
    expectQuiet(slow);
  });

  test("a page of another origin neither frames it nor asks it", async () => {
    const { page } = await enter(browser, sandbox);
    const of = (path: string) => JSON.stringify(`${server.origin}${path}`);
    const evil = `<!doctype html><h1>evil</h1><iframe src=${of("/")}></iframe>`;
    using elsewhere = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () =>
        new Response(evil, { headers: { "content-type": "text/html" } }),
    });
    await page.goto(`http://127.0.0.1:${elsewhere.port}/`);
    await page.getByRole("heading", { name: "evil" }).waitFor();
    // Before it has led anywhere it is blank.
    const framed = await until("the frame", () =>
      page
        .frames()
        .find(
          (each) =>
            each !== page.mainFrame() && !/^(about:blank)?$/.test(each.url()),
        ),
    );
    expect(framed.url()).toStartWith("chrome-error:");
    expect(await framed.locator("#page").count()).toBe(0);
    const asked = `fetch(${of("/web/call")}, {method: "POST", body: "{}"}).then(({status}) => status, () => "refused")`;
    expect(await page.evaluate(asked)).toBe("refused");
    const cast = `fetch(${of("/recordings/x.cast")}).then(({status}) => status, () => "refused")`;
    expect(await page.evaluate(cast)).toBe("refused");
    const read = `fetch(${of("/main.js")}).then(({status}) => status, () => "refused")`;
    expect(await page.evaluate(read)).toBe("refused");
    const script = `new Promise((resolve) => { const script = document.createElement("script"); script.src = ${of("/main.js")}; script.onload = () => resolve("ran"); script.onerror = () => resolve("refused"); document.head.append(script); })`;
    expect(await page.evaluate(script)).toBe("refused");
  });

  test("a used address asks who one is, and a tab without a token, too", async () => {
    const address = await invitation(sandbox);
    const first = await newPage(browser);
    await first.page.goto(address);
    await first.page.getByRole("heading", { name: "Now" }).waitFor();
    const second = await newPage(browser);
    await second.page.goto(address);
    await second.page.getByRole("alert").waitFor();
    expect(await second.page.getByRole("alert").textContent()).toContain(
      "used already",
    );
    const third = await newPage(browser);
    await third.page.goto(server.origin);
    await third.page.getByRole("heading", { name: "Who are you?" }).waitFor();
  });

  test("Now shows who is in, and whoever comes while one looks", async () => {
    const opened = await enter(browser, sandbox);
    const { page } = opened;
    await began("nightly");
    await page.getByRole("cell", { name: "nightly" }).waitFor();
    const id = await began("backup");
    await page.getByRole("cell", { name: "backup" }).waitFor();
    await sandbox.run(["emit", "end", id, "--exit-code", "3"]);
    await page.getByText("exit 3").waitFor();
    expectQuiet(opened);
  });

  test("an address of a session leads there, by the end of its id", async () => {
    const id = await began("deploy");
    const args = ["emit", "command", id, "make <b>deploy</b>"];
    await sandbox.run([...args, "--exit-code", "2"]);
    const opened = await newPage(browser);
    await opened.page.goto(await invitation(sandbox, id.slice(-8)));
    await opened.page.getByText("make <b>deploy</b>").click();
    expect(opened.page.url()).toContain(`id=${id}&command=`);
    await opened.page.locator("[aria-current=true]").waitFor();
    expectQuiet(opened);
  });

  test("a search stands in the address, and its hit leads to the command", async () => {
    const id = await began("deploy");
    await sandbox.run(["emit", "command", id, "kubectl apply -f shop.yaml"]);
    const opened = await enter(browser, sandbox, "/search");
    const { page } = opened;
    await page.getByLabel("Text", { exact: true }).fill("shop.yaml");
    await page.getByRole("button", { name: "Show" }).click();
    await page.locator("mark", { hasText: "shop.yaml" }).waitFor();
    expect(page.url()).toEndWith("#/search?text=shop.yaml");
    // The server's clock has another zone than the reader's.
    await page.getByLabel("From").fill(localNow(5));
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByText("No hit was found.").waitFor();
    await page.getByLabel("From").fill(localNow(-30));
    await page.getByRole("button", { name: "Show" }).click();
    await page.locator("mark", { hasText: "shop.yaml" }).waitFor();
    await page.getByLabel("From").fill("");
    await page.getByRole("button", { name: "Show" }).click();
    await page.locator("mark", { hasText: "shop.yaml" }).waitFor();
    await page.reload();
    await page.locator("mark", { hasText: "shop.yaml" }).waitFor();
    await page.getByRole("rowheader").getByRole("link").click();
    await page
      .locator("[aria-current=true]", { hasText: "kubectl apply" })
      .waitFor();
    expectQuiet(opened);
  });

  test("a session is marked as reviewed, with who and when", async () => {
    const id = await began("deploy");
    const other = await began("other");
    const opened = await enter(browser, sandbox, `/session?id=${id}`);
    const { page } = opened;
    await page.getByLabel("With a note").fill("all as planned");
    await page.getByRole("button", { name: "Mark as reviewed" }).click();
    await page.getByText(/^Reviewed by \S+@\S+, 2/).waitFor();
    await page.getByText("all as planned").first().waitFor();
    await sandbox.run(["emit", "end", id, "--exit-code", "0"]);
    await page.getByRole("link", { name: "Now" }).click();
    await page.getByRole("cell", { name: "yes" }).waitFor();
    const link = page.locator(`tbody th a[href="#/session?id=${id}"]`);
    await page.getByRole("link", { name: "Search" }).click();
    await page.getByRole("cell", { name: "yes" }).waitFor();
    await link.waitFor();
    await page.getByLabel("not reviewed").check();
    await link.waitFor({ state: "detached" });
    await page.locator(`tbody th a[href="#/session?id=${other}"]`).waitFor();
    expect(await link.count()).toBe(0);
    await page.goBack();
    await page.goBack();
    await page.getByRole("button", { name: "Take the mark away" }).click();
    await page.getByText("Nobody has marked it").waitFor();
    expectQuiet(opened);
  });

  test("who was in at a moment, by two clicks, and by keys", async () => {
    const id = await began("deploy");
    const opened = await enter(browser, sandbox);
    const { page } = opened;
    await page.getByRole("link", { name: "Timeline" }).click();
    const canvas = page.locator(".lanes canvas");
    await page.getByText(/, [1-9]\d* sessions?\./).waitFor();
    const { width } = (await canvas.boundingBox())!;
    // Before anybody was in.
    await canvas.click({ position: { x: width / 2, y: 60 } });
    await page.getByText("Nobody.").waitFor();
    expect(page.url()).toMatch(/[?&]at=20/);
    // A day, at the end of which is now.
    await page.getByRole("button", { name: "day" }).click();
    await canvas.focus();
    for (let n = 0; n < 4; n++) await page.keyboard.press("ArrowRight");
    await page.waitForURL(/from=/);
    const before = page.url();
    await page.keyboard.press("+");
    await page.waitForURL((url) => url.href !== before);
    const field = page.getByRole("textbox", { name: "Who was in at" });
    await field.fill("some day");
    await field.press("Enter");
    await page.getByRole("alert").getByText("'some day' is no").waitFor();
    await field.fill(localNow());
    await field.press("Enter");
    await page.getByRole("cell", { name: "deploy" }).first().waitFor();
    await page.goBack();
    await page.goForward();
    await page.getByRole("cell", { name: "deploy" }).first().waitFor();
    expect(id).toStartWith("deploy-");
    expectQuiet(opened);
  });

  test("it can be used by keys alone, and says where one is", async () => {
    const id = await began("deploy");
    for (const text of ["one", "two"])
      await sandbox.run(["emit", "command", id, text, "--exit-code", "0"]);
    const opened = await enter(browser, sandbox, `/session?id=${id}`);
    const { page } = opened;
    await page.getByText("two", { exact: true }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    const focused = () => page.evaluate("document.activeElement.innerText");
    expect(await focused()).toContain("deploy");
    await page.locator(".commands a").first().focus();
    await page.keyboard.press("ArrowDown");
    expect(await focused()).toContain("two");
    await page.keyboard.press("Enter");
    await page.locator("[aria-current=true]", { hasText: "two" }).waitFor();
    await page.getByRole("link", { name: "Search" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Search" }).waitFor();
    await page.waitForFunction("document.activeElement.tagName === 'H1'");
    expect(await page.title()).toBe("Search · Session-Buddy");
    expectQuiet(opened);
  });

  test("at a desktop the browser gets the address by a private file, not in its arguments", async () => {
    const opener = join(sandbox.home, "bin/xdg-open");
    mkdirSync(dirname(opener));
    const script =
      '#!/bin/sh\nprintf %s "$*" > "$HOME/opened.new"\nmv "$HOME/opened.new" "$HOME/opened"\n';
    writeFileSync(opener, script, { mode: 0o755 });
    const env = `DISPLAY=:9 PATH=${dirname(opener)}:$PATH`;
    const argv = ["sh", "-c", `${env} exec ${BINARY} dashboard`];
    await using pty = new Pty(sandbox, argv);
    expect((await pty.ended()).code).toBe(0);
    expect(pty.text()).toContain("#k=");
    const opened = join(sandbox.home, "opened");
    await until("the browser", () => existsSync(opened));
    const file = readFileSync(opened, "utf8");
    expect(file).toMatch(/^\/\S+\/dashboard\.html$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const { page } = await newPage(browser);
    await page.goto(`file://${file}`);
    await page.getByRole("heading", { name: "Now" }).waitFor();
    expect(page.url()).toBe(`${server.origin}/#/now`);
  });

  test("a token may be typed where the server has a secret", async () => {
    using other = new Sandbox();
    const env = { SESSION_BUDDY_SECRET: "0123456789".repeat(4) };
    const flags = ["--dashboard"];
    await using shared = await TestServer.start(other, { env, flags });
    const { page } = await newPage(browser);
    await page.goto(`${shared.origin}/#/charts`);
    const field = page.getByLabel("Or a token");
    await field.fill("not.a.token");
    await page.getByRole("button", { name: "Look" }).click();
    await page.getByRole("alert").waitFor();
    const { stdout } = await other.run(["token", "--scope", "read"], { env });
    await field.fill(stdout.trim());
    await page.getByRole("button", { name: "Look" }).click();
    await page.getByRole("heading", { name: "Charts" }).waitFor();
  });
});

/** As somebody in Berlin types it, so many minutes from now. */
const localNow = (minutes = 1) =>
  new Intl.DateTimeFormat("sv-SE", {
    ...{ timeZone: "Europe/Berlin", dateStyle: "short", timeStyle: "short" },
  })
    .format(Date.now() + minutes * 60_000)
    .replace(" ", "T");
