/** Folders in which things are made: several processes, each keeps its own. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAKERS = 4;
const ROUNDS = 400;

const SCRIPT = (folder: string) => `
  import { writeFileSync, readFileSync } from "node:fs";
  import { Scratch } from "${import.meta.dir}/../../src/os/scratch.ts";
  for (let n = 0; n < ${ROUNDS}; n++) {
    using scratch = Scratch.beside("${folder}/any");
    writeFileSync(scratch.at("mine"), String(n));
    if (readFileSync(scratch.path + "/mine", "utf8") !== String(n)) throw n;
  }`;

test.each([
  ["all lock", () => ({})],
  ["some cannot lock", (n: number) => (n % 2 ? { BUN_JSC_useJIT: "0" } : {})],
])("what is in use is nobody's to remove: %s", async (_, variables) => {
  const folder = mkdtempSync(join(tmpdir(), "sb-scratch-"));
  try {
    const makers = Array.from({ length: MAKERS }, (_, n) =>
      Bun.spawn([process.execPath, "-e", SCRIPT(folder)], {
        env: { ...process.env, ...variables(n) },
        stderr: "pipe",
      }),
    );
    for (const maker of makers) {
      const said = await maker.stderr.text();
      expect([await maker.exited, said]).toEqual([0, ""]);
    }
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
