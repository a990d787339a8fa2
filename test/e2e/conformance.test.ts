/**
 * The protocol's own conformance suite, against the real server: what it asks
 * of any server, in the revision of 2025 and in the current one.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { Sandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";

const CONFORMANCE = join(
  import.meta.dir,
  "../../node_modules/@modelcontextprotocol/conformance",
);

const SCENARIOS: Record<string, string[]> = {
  "2025-11-25": [
    ...["server-initialize", "ping", "tools-list", "resources-list"],
    ...["prompts-list", "dns-rebinding-protection"],
  ],
  "2026-07-28": [
    ...["tools-list", "resources-list", "prompts-list"],
    ...["sep-2164-resource-not-found", "dns-rebinding-protection", "caching"],
    ...["http-header-validation", "server-sse-multiple-streams"],
  ],
};

let sandbox: Sandbox;
let server: TestServer;
let program: string;

beforeAll(async () => {
  sandbox = new Sandbox();
  server = await TestServer.start(sandbox);
  const { bin } = (await Bun.file(`${CONFORMANCE}/package.json`).json()) as {
    bin: Record<string, string>;
  };
  program = join(CONFORMANCE, bin["conformance"]!);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  sandbox[Symbol.dispose]();
});

for (const [revision, scenarios] of Object.entries(SCENARIOS))
  for (const scenario of scenarios)
    test(`conformance ${revision}: ${scenario}`, async () => {
      const { exitCode, stdout, stderr } = await sandbox.command([
        ...[process.execPath, program, "server", "--url", server.url],
        ...["--scenario", scenario, "--spec-version", revision],
      ]);
      const said = stdout + stderr;
      expect([exitCode, said]).toEqual([0, said]);
      // A scenario that checks nothing would pass too.
      expect(said).toMatch(/[1-9]\d* passed|✓|Passed: [1-9]/);
    });
