/**
 * The shape of the tree: who may import whom, what the wrapper's start may
 * load, and that nothing lies about unused.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const root = join(import.meta.dir, "..");
const sources = [...new Bun.Glob("src/**/*.{ts,cjs}").scanSync(root)]
  .filter((file) => !file.endsWith(".d.ts"))
  .sort();

interface Import {
  /** A path from the project's root, or a package's name. */
  target: string;
  lazy: boolean;
}

const imports = new Map<string, Import[]>(
  sources.map((file) => [file, importsOf(file)]),
);

/** Value imports alone: types vanish before anything runs. */
function importsOf(file: string): Import[] {
  const source = readFileSync(join(root, file), "utf8");
  const found = new Bun.Transpiler({ loader: "ts" }).scanImports(source);
  return found.map(({ path, kind }) => ({
    target: path.startsWith(".")
      ? relative(root, join(root, dirname(file), path))
      : path,
    lazy: kind === "dynamic-import",
  }));
}

/** What each room may import; a room may always import itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  "src/model/": [],
  "src/os/": ["src/model/"],
  "src/config/load.ts": ["src/model/", "src/os/", "src/config/keys.ts"],
  "src/config/keys.ts": [],
  "src/log/log.ts": [
    "src/config/load.ts",
    "src/model/",
    "src/os/",
    "src/config/keys.ts",
  ],
  "src/log/tail.ts": ["src/log/log.ts", "src/model/", "src/os/"],
  "src/version.ts": [],
  "src/cli/args.ts": ["src/model/"],
  "src/cli/terminal.ts": ["src/model/", "src/os/", "src/render/"],
  "src/record/": [
    "src/model/",
    "src/os/",
    "src/spool/quota.ts",
    "src/spool/parent.ts",
    "src/spool/write.ts",
    "src/version.ts",
  ],
  "src/doctor/": [
    "src/config/load.ts",
    "src/model/",
    "src/access/open.ts",
    "src/os/",
    "src/spool/",
    "src/store/",
    "src/version.ts",
  ],
  "src/spool/": ["src/model/", "src/os/"],
  "src/store/": ["src/model/", "src/os/", "dist/native/"],
  "src/render/": ["src/model/"],
  "src/server/": [
    "src/config/load.ts",
    "src/log/log.ts",
    "src/model/",
    "src/access/open.ts",
    "src/os/",
    "src/access/own-files.ts",
    "src/spool/",
    "src/store/",
    "src/version.ts",
  ],
  "src/access/private-copy.ts": [
    "src/config/load.ts",
    "src/model/",
    "src/os/",
    "src/spool/",
  ],
  "src/access/open.ts": [
    "src/access/private-copy.ts",
    "src/config/load.ts",
    "src/model/",
    "src/os/",
    "src/spool/",
    "src/store/",
    "src/version.ts",
  ],
  "src/access/own-files.ts": [
    "src/config/load.ts",
    "src/model/",
    "src/access/open.ts",
    "src/spool/",
  ],
  "src/access/maintenance.ts": [
    "src/config/load.ts",
    "src/model/",
    "src/access/open.ts",
    "src/access/own-files.ts",
    "src/spool/",
    "src/store/",
  ],
  "src/access/restore.ts": [
    "src/config/load.ts",
    "src/model/",
    "src/access/open.ts",
    "src/os/",
    "src/spool/",
    "src/store/",
  ],
  "src/cli/tree.ts": ["src/"],
  "src/main.ts": ["src/"],
};

const roomOf = (file: string) =>
  Object.keys(MAY_IMPORT).find((room) => file.startsWith(room));

test("imports go in the directions of the design", () => {
  const wrong: string[] = [];
  for (const [file, targets] of imports)
    for (const { target } of targets) {
      if (!target.startsWith("src/") && !target.startsWith("dist/")) continue;
      const room = roomOf(file);
      const allowed = room
        ? [room, ...MAY_IMPORT[room]!].some((place) => target.startsWith(place))
        : file.startsWith("src/cli/") && !target.startsWith("src/cli/");
      if (!allowed) wrong.push(`${file} imports ${target}`);
    }
  expect(wrong).toEqual([]);
});

test("the nouns import nothing, and the schema is loaded where data enters", () => {
  const packages: string[] = [];
  const schemaUsers: string[] = [];
  for (const [file, targets] of imports)
    for (const { target } of targets) {
      if (file.startsWith("src/model/") && !target.startsWith("src/"))
        packages.push(`${file} imports ${target}`);
      if (target === "src/model/schema.ts") schemaUsers.push(file);
    }
  expect(packages).toEqual(["src/model/schema.ts imports zod"]);
  expect(schemaUsers).toEqual([
    "src/server/tools/track-events.ts",
    "src/spool/read.ts",
  ]);
});

test("the wrapper's start loads nothing but bun:ffi", () => {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { target, lazy } of imports.get(file)!)
      if (lazy) continue;
      else if (target.startsWith("src/")) visit(target);
      else packages.add(target);
  };
  visit("src/main.ts");
  expect(seen).toContain("src/record/wrap.ts");
  expect([...packages]).toEqual(["bun:ffi"]);
});

test("every source file is used", () => {
  const started = ["src/main.ts", "src/store/duckdb/bindings.cjs"];
  const all = sources.map((file) => readFileSync(join(root, file), "utf8"));
  const unused = sources.filter((file) => {
    const name = `/${file.slice(file.lastIndexOf("/") + 1)}"`;
    return !started.includes(file) && !all.some((text) => text.includes(name));
  });
  expect(unused).toEqual([]);
});

test("every dependency is used", async () => {
  const { dependencies } = (await Bun.file(
    join(root, "package.json"),
  ).json()) as { dependencies: Record<string, string> };
  const used = new Set([...imports.values()].flat().map((i) => i.target));
  expect(Object.keys(dependencies).filter((name) => !used.has(name))).toEqual(
    [],
  );
});

test("no file is too long to find one's way in", () => {
  const long = sources.filter(
    (file) => readFileSync(join(root, file), "utf8").split("\n").length > 400,
  );
  expect(long).toEqual([]);
});
