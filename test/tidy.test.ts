/**
 * The shape of the tree: who may import whom, what the wrapper's start may
 * load, and that nothing lies about unused.
 */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const root = join(import.meta.dir, "..");
const sources = [...new Bun.Glob("src/**/*.{ts,tsx,cjs}").scanSync(root)]
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
  const found = new Bun.Transpiler({
    loader: file.endsWith("x") ? "tsx" : "ts",
  }).scanImports(source);
  return found.map(({ path, kind }) => ({
    target: path.startsWith(".")
      ? relative(root, join(root, dirname(file), path))
      : path,
    lazy: kind === "dynamic-import",
  }));
}

/**
 * The rooms, and what each may import beside itself; the longest name that fits
 * a file is its room.
 */
const MAY_IMPORT: Record<string, readonly string[]> = {
  "src/version.ts": [],
  "src/model/": [],
  "src/os/": ["src/model/"],
  "src/config/": ["src/model/", "src/os/"],
  "src/log/": ["src/config/", "src/model/", "src/os/"],
  "src/auth/": ["src/model/", "src/os/"],
  "src/render/": ["src/model/"],
  "src/spool/": ["src/model/", "src/os/"],
  "src/record/": [
    "src/model/",
    "src/os/",
    "src/spool/quota.ts",
    "src/spool/write.ts",
    "src/version.ts",
  ],
  "src/store/": ["src/model/", "src/os/"],
  "src/store/duckdb/": ["dist/native/", "src/model/", "src/os/", "src/store/"],
  "src/store/postgres/": ["src/model/", "src/os/", "src/store/"],
  "src/store/remote/": ["src/model/", "src/os/"],
  "src/access/": [
    "src/alerts/books.ts",
    "src/auth/",
    "src/config/",
    "src/model/",
    "src/os/",
    "src/spool/",
    "src/store/",
    "src/version.ts",
  ],
  "src/forward/": ["src/config/", "src/model/", "src/os/", "src/version.ts"],
  "src/alerts/": [
    "src/auth/secret.ts",
    "src/config/",
    "src/model/",
    "src/os/",
    "src/render/",
    "src/version.ts",
  ],
  "src/server/tools/": ["src/model/", "src/os/", "src/version.ts"],
  "src/server/prompts/": ["src/model/"],
  "src/server/mcp/": ["src/model/", "src/server/prompts/", "src/server/tools/"],
  "src/server/http/": [
    "src/model/",
    "src/os/",
    "src/server/mcp/",
    "src/server/tools/",
    "src/server/web/",
    "src/version.ts",
  ],
  // Its page runs in a browser.
  "src/server/web/page/": ["src/model/"],
  "src/server/web/": ["dist/web/", "src/model/", "src/server/tools/"],
  "src/server/": [
    "src/access/",
    "src/alerts/",
    "src/auth/",
    "src/config/",
    "src/forward/",
    "src/log/",
    "src/model/",
    "src/os/",
    "src/render/recording.ts",
    "src/render/snapshot.ts",
    "src/server/mcp/",
    "src/server/run.ts",
    "src/server/tools/",
    "src/spool/",
    "src/store/",
    "src/version.ts",
  ],
  // The only one that imports HTTP.
  "src/server/run.ts": [
    "src/access/",
    "src/auth/",
    "src/config/",
    "src/forward/",
    "src/log/",
    "src/model/",
    "src/os/",
    "src/server/",
    "src/spool/",
    "src/store/",
    "src/version.ts",
  ],
  "src/doctor/": [
    "src/access/claim.ts",
    "src/access/database-address.ts",
    "src/access/kept-recordings.ts",
    "src/access/open.ts",
    "src/access/open-store.ts",
    "src/access/removed-recordings.ts",
    "src/alerts/books.ts",
    "src/alerts/scope.ts",
    "src/alerts/send.ts",
    "src/auth/",
    "src/config/",
    "src/forward/position.ts",
    "src/model/",
    "src/os/",
    "src/spool/",
    "src/store/",
    "src/version.ts",
  ],
  // The rest it does as a user would: by the executable.
  "src/selftest/": ["src/model/", "src/os/"],
  "src/cli/": [
    "src/cli/commands/",
    "src/model/",
    "src/os/",
    "src/render/",
    "src/version.ts",
  ],
  "src/cli/commands/": ["src/", "dist/licenses.txt"],
  "src/main.ts": ["src/"],
};

/** In these no file imports another of the same room. */
const NO_NEIGHBOURS: readonly string[] = ["src/cli/commands/"];

const roomOf = (file: string) =>
  Object.keys(MAY_IMPORT)
    .filter((room) => file.startsWith(room))
    .sort((a, b) => b.length - a.length)[0];

test("imports go in the directions of the design", () => {
  const wrong: string[] = [];
  for (const [file, targets] of imports) {
    const room = roomOf(file);
    for (const { target } of targets) {
      if (!target.startsWith("src/") && !target.startsWith("dist/")) continue;
      const same = room !== undefined && roomOf(target) === room;
      const allowed = same
        ? !NO_NEIGHBOURS.includes(room)
        : MAY_IMPORT[room ?? ""]?.some((place) => target.startsWith(place));
      if (!allowed) wrong.push(`${file} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

/** Types too: who reads one file has to read the other. */
const named = (file: string): string[] =>
  [
    ...readFileSync(join(root, file), "utf8").matchAll(
      /^(?:import|export|\}) ?.*?from "(\.[^"]+)"/gm,
    ),
  ].map(([, path]) => relative(root, join(root, dirname(file), path!)));

test("no two files import each other, over however many others", () => {
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) {
      circles.push([...path.slice(path.indexOf(file)), file].join(" → "));
      return;
    }
    if (done.has(file)) return;
    for (const target of imports.has(file) ? named(file) : [])
      visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of sources) visit(file, []);
  expect(circles).toEqual([]);
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
    "src/spool/stored-line.ts",
  ]);
});

test("the wrapper's start loads nothing but bun:ffi", () => {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    // A text that is embedded imports nothing.
    for (const { target, lazy } of imports.get(file) ?? [])
      if (lazy) continue;
      else if (target.startsWith("src/")) visit(target);
      else packages.add(target);
  };
  visit("src/main.ts");
  expect(seen).toContain("src/record/wrap.ts");
  expect([...packages]).toEqual(["bun:ffi"]);
  // A terminal between is for those alone who record what is shown.
  for (const file of ["src/os/pty.ts", "src/record/terminal.ts"])
    expect(seen).not.toContain(file);
});

test("every source file is used", () => {
  const started = [
    ...["src/main.ts", "src/store/duckdb/bindings.cjs"],
    "src/server/web/page/main.tsx",
  ];
  const all = sources.map((file) => readFileSync(join(root, file), "utf8"));
  const unused = sources.filter((file) => {
    const name = `/${file.slice(file.lastIndexOf("/") + 1)}"`;
    // Not opened by a command yet.
    if (file.startsWith("src/store/postgres/")) return false;
    return !started.includes(file) && !all.some((text) => text.includes(name));
  });
  expect(unused).toEqual([]);
});

test("every dependency is used", async () => {
  const { dependencies } = (await Bun.file(
    join(root, "package.json"),
  ).json()) as { dependencies: Record<string, string> };
  const used = [...imports.values()].flat().map(({ target }) => `${target}/`);
  const unused = Object.keys(dependencies).filter(
    (name) => !used.some((target) => target.startsWith(`${name}/`)),
  );
  expect(unused).toEqual([]);
});

test("no file is too long to find one's way in", () => {
  const long = sources.filter(
    (file) => readFileSync(join(root, file), "utf8").split("\n").length > 351,
  );
  expect(long).toEqual([]);
});

test("every file that CONTRIBUTING.md sends to is there", () => {
  const text = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
  const asked = [...text.matchAll(/`((?:[\w.-]+\/)+[\w.-]+\.\w+)`/g)]
    .map(([, path]) => path!)
    // Their names are the newcomer's, or an example's.
    .filter((path) => !path.includes("NAME") && !path.startsWith("dist/"));
  const there = (path: string) =>
    existsSync(join(root, path)) || existsSync(join(root, "src", path));
  expect(asked.length).toBeGreaterThan(100);
  expect(asked.filter((path) => !there(path))).toEqual([]);
});
