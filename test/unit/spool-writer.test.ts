/** What the writer of a spool file remembers, for when its file is gone. */
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { SpoolWriter } from "../../src/spool/write.ts";
import { ID, annotation, start } from "../support/events.ts";
import { Sandbox } from "../support/sandbox.ts";

test("of a series the last event is remembered, however long it is; of others, each", () => {
  using sandbox = new Sandbox();
  const folder = join(sandbox.home, "spool");
  mkdirSync(folder);
  const { writer } = SpoolWriter.create(folder, () => ID);
  const file = join(folder, readdirSync(folder)[0]!);
  const lines = () =>
    readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { measured?: { n: number } });
  writer.append(start());
  for (let n = 0; n < 100; n++)
    writer.append(annotation(1, { measured: { n } }), "usage");
  writer.append(annotation(1, { measured: { n: -1 } }));
  expect(lines()).toHaveLength(102);
  rmSync(file);
  writer.renew(() => {});
  expect(lines().map(({ measured }) => measured?.n)).toEqual([
    undefined,
    99,
    -1,
  ]);
  writer.append(annotation(1, { measured: { n: 100 } }), "usage");
  expect(lines().at(-1)).toMatchObject({ measured: { n: 100 } });
});
