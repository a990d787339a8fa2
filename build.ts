/**
 * Builds the one executable, dist/session-buddy: our code as bytecode, and
 * DuckDB's two native files embedded, the library compressed.
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { constants, zstdCompressSync } from "node:zlib";
import { keepAtExec } from "./at-exec.ts";
import { licenses } from "./licenses.ts";
import packageJson from "./package.json" with { type: "json" };

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, "dist");
const outfile = join(dist, "session-buddy");

const bindings = dirname(
  Bun.resolveSync(
    `@duckdb/node-bindings-${target()}/package.json`,
    duckdbApi(),
  ),
);
const { version: duckdbVersion } = (await Bun.file(
  join(bindings, "package.json"),
).json()) as { version: string };

/** A piece of the runtime's machine code, and what is changed in it. */
export interface Patch {
  what: string;
  /** The code, in hexadecimal; it stands in the executable once. */
  code: string;
  /** Where in the code, in bytes, the new bytes go; these in hexadecimal. */
  offset: number;
  bytes: string;
}

/**
 * For the runtime on x64. It makes threads when it pleases, and aborts where
 * there is none to be had: just when a shell is wrapped to help a user whose
 * processes have reached their limit. So no thread compiles, collects or fetches
 * memory beside the program, unless _UN_JSC_ variables ask for it. A server
 * loses nothing by that; a drain takes longer where a second core is idle.
 */
const PATCHES: readonly Patch[] = [
  {
    what: "the choice of useWarmUpMarkedBlocks",
    // movb $1, useWarmUpMarkedBlocks
    code: "c6056b1de10401",
    offset: 6,
    bytes: "00",
  },
  {
    what: "the choice of useConcurrentGC",
    // movw $0x101, useConcurrentGC and what stands before it
    code: "66c705931de1040101",
    offset: 8,
    bytes: "00",
  },
  {
    what: "the choice of useConcurrentJIT and numberOfGCMarkers",
    // jne over movb $0, useConcurrentJIT; movl $1, numberOfGCMarkers
    code: "8038017511c6051240e00400c705ec41e00401000000",
    offset: 3,
    bytes: "9090",
  },
  {
    // MIMALLOC_VERBOSE and others of an allocator that the program may have, too,
    // make the runtime's write on stderr.
    what: "the prefix of the allocator's variables",
    // movabs $"mimalloc",%r13; mov %r13,-0x70(%rbp); movw $"_",-0x68(%rbp)
    code: "49bd6d696d616c6c6f634c896d9066c745985f00",
    // No name in an environment begins so.
    offset: 2,
    bytes: "01",
  },
  {
    // BUN_JSC_dumpOptions and others write on stderr, and an unknown one ends the
    // runtime. A server sets its own by the name that they have now.
    what: "the prefix of the engine's variables",
    // cmpb $"B",(%r14); jne; cmpb $"U",1(%r14); jne; cmpb $"N",2(%r14)
    code: "41803e4275e541807e015575de41807e024e",
    offset: 3,
    bytes: "5f",
  },
  {
    what: "the engine's variable that is looked for once more",
    // "BUN_JSC_useConcurrentJIT="
    code: "42554e5f4a53435f757365436f6e63757272656e744a49543d",
    offset: 0,
    bytes: "5f",
  },
  {
    // What a crash shows of the command line may be a secret.
    what: "the crash report's list of arguments",
    // test %r12,%r12 (their number); je past them
    code: "4d85e40f843e0100004c8b35b8e9ed02",
    // nop; jmp
    offset: 3,
    bytes: "90e9",
  },
];

if (import.meta.main) {
  await embedNatives();
  await bundlePage();
  await Bun.write(join(dist, "licenses.txt"), await licenses(root));
  await compile();
  await mendRuntime();
  console.log(`built ${outfile}`);
}

function target(): string {
  const musl = process.report.getReport() as {
    header?: { glibcVersionRuntime?: string };
  };
  const libc = musl.header?.glibcVersionRuntime ? "" : "-musl";
  return `${process.platform}-${process.arch}${libc}`;
}

/** The bindings are found from the package that depends on them. */
function duckdbApi(): string {
  const api = dirname(Bun.resolveSync("@duckdb/node-api/package.json", root));
  return dirname(Bun.resolveSync("@duckdb/node-bindings/package.json", api));
}

/** dist/native/: what src/store/duckdb/native.ts embeds. */
async function embedNatives(): Promise<void> {
  const native = join(dist, "native");
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(native, { recursive: true });
  const library = await Bun.file(join(bindings, "libduckdb.so")).bytes();
  const level = { [constants.ZSTD_c_compressionLevel]: 6 };
  await Bun.write(
    join(native, "libduckdb.so.zst"),
    zstdCompressSync(library, { params: level }),
  );
  const addon = await Bun.file(join(bindings, "duckdb.node")).bytes();
  await Bun.write(join(native, "duckdb.node.bin"), addon);
  const facts = (bytes: Uint8Array) => ({
    bytes: bytes.length,
    sha256: sha256(bytes),
  });
  await Bun.write(
    join(native, "manifest.json"),
    JSON.stringify({
      version: duckdbVersion,
      digest: sha256(library, addon).slice(0, 12),
      library: facts(library),
      addon: facts(addon),
    }),
  );
}

/**
 * dist/web/: the dashboard's page, which src/server/web/files.ts embeds as texts. Its
 * player is a script apart: it is fetched where a recording is played.
 */
async function bundlePage(): Promise<void> {
  const page = join(root, "src/server/web/page");
  for (const entry of ["main.tsx", "player.ts"]) {
    const result = await Bun.build({
      entrypoints: [join(page, entry)],
      ...{ target: "browser", format: "esm", minify: true },
      define: {
        "process.env.NODE_ENV": JSON.stringify("production"),
        // model/recording/width.ts runs there, too.
        "Bun.stringWidth": "globalThis.stringWidth",
      },
    });
    for (const log of result.logs) console.error(log);
    if (!result.success) process.exit(1);
    const name = entry.replace(/\..*/, "");
    for (const output of result.outputs)
      await Bun.write(
        join(dist, "web", `${name}${extname(output.path)}.txt`),
        await output.text(),
      );
  }
  await Bun.write(
    join(dist, "web/index.html.txt"),
    await Bun.file(join(page, "index.html")).text(),
  );
}

function sha256(...parts: Uint8Array[]): string {
  const hash = new Bun.CryptoHasher("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

async function compile(): Promise<void> {
  const result = await Bun.build({
    entrypoints: [join(root, "src/main.ts")],
    target: "bun",
    format: "esm",
    splitting: true,
    minify: true,
    bytecode: true,
    define: {
      SESSION_BUDDY_VERSION: JSON.stringify(packageJson.version),
      SESSION_BUDDY_COMMIT: JSON.stringify(commit()),
      SESSION_BUDDY_DATE: JSON.stringify(commitDate()),
      SESSION_BUDDY_DUCKDB: JSON.stringify(duckdbVersion),
    },
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
    plugins: [
      {
        name: "embedded-duckdb",
        setup(build) {
          build.onResolve({ filter: /^@duckdb\/node-bindings$/ }, () => ({
            path: join(root, "src/store/duckdb/bindings.cjs"),
          }));
        },
      },
    ],
  });
  for (const log of result.logs) console.error(log);
  if (!result.success) process.exit(1);
}

function commit(): string {
  const git = Bun.spawnSync(
    ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
    { cwd: root },
  );
  return git.success ? git.stdout.toString().trim() : "unknown";
}

/** Not the day of the build: what is built of a commit is always the same. */
function commitDate(): string {
  const git = Bun.spawnSync(["git", "show", "-s", "--format=%cs"], {
    cwd: root,
  });
  return git.success ? git.stdout.toString().trim() : "";
}

/**
 * The runtime obeys these variables even inside a compiled program: they would
 * run a stranger's code, turn us into a bare runtime, or open a debugger on
 * every wrapped shell. Their names are spoilt in the file; a child still gets
 * the variables.
 */
async function mendRuntime(): Promise<void> {
  let bytes = Buffer.from(await Bun.file(outfile).arrayBuffer());
  spoil(bytes, {
    ...{ BUN_OPTIONS: 2, BUN_BE_BUN: 1, BUN_INSPECT: 11 },
    JSC_SIGNAL_FOR_GC: 2,
  });
  if (process.arch === "x64") {
    patch(bytes, PATCHES);
    bytes = keepAtExec(bytes);
  }
  // A new file under the name: the old one may be running. Plain writes leave it
  // in the page cache in larger pieces than Bun.write, which reserves the space
  // first: a wrapper starts 1 to 2 ms sooner.
  const fd = openSync(`${outfile}.new`, "w", 0o755);
  for (let at = 0; at < bytes.length;)
    at += writeSync(fd, bytes, at, bytes.length - at);
  closeSync(fd);
  renameSync(`${outfile}.new`, outfile);
}

/** @throws Error when a patch's code does not stand there once */
export function patch(bytes: Buffer, patches: readonly Patch[]): void {
  for (const { what, code, offset, bytes: changed } of patches) {
    const studied = Buffer.from(code, "hex");
    const at = bytes.indexOf(studied);
    if (at === -1 || bytes.indexOf(studied, at + 1) !== -1)
      throw new Error(
        `${what} stands elsewhere in the executable: this Bun differs from the one that was studied`,
      );
    bytes.write(changed, at + offset, "hex");
  }
}

/**
 * Overwrites the first letter of names, wherever they stand.
 * @param expected how often each stands there
 * @throws Error when one stands there more or less often
 */
export function spoil(bytes: Buffer, expected: Record<string, number>): void {
  for (const [name, count] of Object.entries(expected)) {
    let found = 0;
    for (
      let at = bytes.indexOf(name);
      at !== -1;
      at = bytes.indexOf(name, at + 1)
    ) {
      // Some stand in scripts of the runtime, where it has to be a letter.
      bytes.write("_", at);
      found++;
    }
    if (found !== count)
      throw new Error(
        `${name} stands ${found} times in the executable, not ${count}: this Bun differs from the one that was studied`,
      );
  }
}
