/**
 * Takes the pictures of the pages: `bun run pictures`. A real server has a week that is
 * made up, and a real browser looks at it. Those that the pages show go to
 * docs/pictures/; all views, dark and narrow too, to dist/pictures/.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { browse } from "./support/browser.ts";
import { Sandbox } from "./support/sandbox.ts";
import { scene } from "./support/scene.ts";
import { TestServer } from "./support/server.ts";
import {
  LOOKS,
  type Look,
  SHOTS,
  replay,
  shot,
  table,
  terminal,
} from "./support/shots.ts";

const ROOT = join(import.meta.dir, "..");
const SHOWN = join(ROOT, "docs/pictures");
const ALL = join(ROOT, "dist/pictures");
/** Which the pages show. */
const LIGHT = ["timeline", "session"];

using sandbox = new Sandbox();
sandbox.env["TZ"] = "UTC";
scene(sandbox);
await using server = await TestServer.start(sandbox, {
  flags: ["--dashboard"],
});
const browser = await browse();
for (const folder of [SHOWN, ALL]) mkdirSync(folder, { recursive: true });

for (const one of SHOTS) {
  for (const look of Object.keys(LOOKS) as Look[]) {
    const picture = await shot(browser, sandbox, one, look, true);
    await Bun.write(join(ALL, `${one.name}-${look}.png`), picture);
  }
  if (LIGHT.includes(one.name))
    await Bun.write(
      join(SHOWN, `${one.name}.png`),
      await shot(browser, sandbox, one, "light", one.name === "timeline"),
    );
}
const { origin } = server;
for (const [name, text, size] of [
  ["table", await table(sandbox), { columns: 96, rows: 26 }],
  ["replay", await replay(sandbox), { columns: 100, rows: 25 }],
] as const)
  await Bun.write(
    join(SHOWN, `${name}.png`),
    await terminal(browser, origin, text, size),
  );
await browser.close();
console.log(`pictures: ${SHOWN} and ${ALL}`);
