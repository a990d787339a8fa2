/**
 * Where output goes: a file is replaced whole and stays what it was but for its
 * content, a link is followed, and what is no file is written to.
 */
import { expect, test } from "bun:test";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { folderFailure } from "../../src/os/paths.ts";
import {
  type FilePlace,
  NewFile,
  placeOf,
  putInPlace,
} from "../../src/os/place.ts";
import {
  asUnknownUser,
  expectFailure,
  needsRoot,
  plant,
  runPrivately,
} from "../support/host.ts";
import { Pty } from "../support/pty.ts";
import { BINARY, Sandbox, type SessionJson } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { needs } from "../support/tools.ts";
import { waiting } from "../support/wait.ts";

/** A home with sessions, a folder that all may read, and files that are there. */
class Places implements Disposable {
  readonly sandbox = new Sandbox();
  readonly folder = join(this.sandbox.home, "out");
  readonly ids = plant(this.sandbox, [{}, {}]);

  constructor() {
    mkdirSync(this.folder);
  }

  at(name: string): string {
    return join(this.folder, name);
  }

  run(script: string) {
    const sb = `sb() { ${BINARY} "$@"; }; cd ${this.folder}\n`;
    return this.sandbox.command(["bash", "-euc", sb + script]);
  }

  /** Nothing half made is left. */
  names(): string[] {
    return readdirSync(this.folder).sort();
  }

  [Symbol.dispose](): void {
    this.sandbox[Symbol.dispose]();
  }
}

const idsIn = (json: string) =>
  (JSON.parse(json) as SessionJson[]).map((s) => s.session_id).sort();

test("a file keeps its mode and a new one is private; a link is followed, and one to nothing yet", async () => {
  using places = new Places();
  writeFileSync(places.at("old"), "old\n".repeat(9_999));
  chmodSync(places.at("old"), 0o664);
  symlinkSync("old", places.at("link"));
  symlinkSync("later", places.at("ahead"));
  for (const name of ["old", "new", "link", "ahead"]) {
    const run = await places.run(`umask 0; sb ls --json -o ${name}`);
    expect(run).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    const text = readFileSync(places.at(name), "utf8");
    expect(idsIn(text)).toEqual(places.ids.sort());
  }
  expect(statSync(places.at("old")).mode & 0o7777).toBe(0o664);
  for (const name of ["new", "later"])
    expect(lstatSync(places.at(name)).mode & 0o7777).toBe(0o600);
  for (const name of ["link", "ahead"])
    expect(lstatSync(places.at(name)).isSymbolicLink()).toBe(true);
  expect(places.names()).toEqual(["ahead", "later", "link", "new", "old"]);
});

test("all names of a file have the new content, and a list of who may read it stays", async () => {
  using places = new Places();
  if (!needs("setfacl")) return;
  writeFileSync(places.at("one"), "old");
  linkSync(places.at("one"), places.at("two"));
  writeFileSync(places.at("shared"), "old");
  const run = await places.run(`
    setfacl -m u:54321:r shared; getfacl -c shared > before
    setfacl -d -m u:54322:rw .; : > plain; setfacl -b plain; chmod 640 plain
    for file in one shared plain; do sb ls --json -o $file; done
    getfacl -c shared | diff before - && getfacl -c plain`);
  expect([run.exitCode, run.stderr]).toEqual([0, ""]);
  expect(run.stdout.trim()).toBe("user::rw-\ngroup::r--\nother::---");
  const { ino } = statSync(places.at("one"));
  expect(statSync(places.at("two")).ino).toBe(ino);
  for (const name of ["one", "two", "shared", "plain"])
    expect(idsIn(readFileSync(places.at(name), "utf8"))).toHaveLength(2);
});

test("a descriptor, a pipe and a FIFO are written to", async () => {
  using places = new Places();
  const { exitCode, stdout, stderr } = await places.run(`
    mkfifo fifo
    sb ls --json -o >(cat > by-shell; : > done-1)
    cat fifo > by-fifo & sb ls --json -o fifo; wait $!
    sb ls --json -o /dev/fd/3 3> by-number
    { echo before; sb ls -o /dev/stdout; echo after; } > all
    sb ls --json -o /dev/stdout | cat > by-pipe
    until [ -e done-1 ]; do read -t 0.01 <> fifo || :; done`);
  expect([exitCode, stdout, stderr]).toEqual([0, "", ""]);
  for (const name of ["by-shell", "by-fifo", "by-number", "by-pipe"])
    expect(idsIn(readFileSync(places.at(name), "utf8"))).toHaveLength(2);
  const all = readFileSync(places.at("all"), "utf8").split("\n");
  expect([all[0], all.length, all[3]]).toEqual(["before", 5, "after"]);
  expect(lstatSync(places.at("fifo")).isFIFO()).toBe(true);
});

test("Ctrl-C ends the wait for a FIFO's reader, and holds nothing up meanwhile", async () => {
  using places = new Places();
  await places.run("mkfifo fifo");
  for (const words of [["ls", "-o"], ["backup"]]) {
    await using pty = new Pty(places.sandbox, [
      BINARY,
      ...words,
      places.at("fifo"),
    ]);
    await waiting(pty.pid);
    expect(await places.sandbox.list()).toHaveLength(2);
    pty.type("\x03");
    expect(await pty.ended()).toEqual({ code: null, signal: "SIGINT" });
  }
});

test("a device stays one, as root too, and another's file keeps its owner", async () => {
  if (!needsRoot("mknod")) return;
  using places = new Places();
  const { exitCode, stdout, stderr } = await places.run(`
    mknod null c 1 3; chmod 666 null
    : > theirs; chown 54321:54322 theirs; chmod 604 theirs
    sb ls -o null; sb ls -o theirs; sb backup null; sb backup --force theirs
    stat -c '%F %a %u:%g' null theirs`);
  expect(stderr).toMatch(
    /^backup: null \(.*\)\nholds: 2 sessions, 4 events\n$/,
  );
  expect(
    stdout.split("\n").filter((line) => !/^(backup|holds)/.test(line)),
  ).toEqual([
    "character special file 666 0:0",
    "regular file 604 54321:54322",
    "",
  ]);
  expect(exitCode).toBe(0);
});

test("where only the file itself may be written, it is", async () => {
  if (!needsRoot("setpriv")) return;
  using places = new Places();
  writeFileSync(places.at("open"), "old\n".repeat(9_999));
  writeFileSync(places.at("mounted"), "old");
  chmodSync(places.at("open"), 0o666);
  const run = await runPrivately(
    places.sandbox,
    `cd ${places.folder}; touch under; mount --bind under mounted
     ${BINARY} ls --json -o mounted; cat mounted; umount mounted
     mkdir ${places.sandbox.home}/his; chown 54321 ${places.sandbox.home}/his
     cp -r ${places.sandbox.data} ${places.sandbox.home}/his/data
     chown -R 54321 ${places.sandbox.home}/his; chmod 755 ${places.sandbox.home}
     export HOME=${places.sandbox.home}/his SESSION_BUDDY_DATA_DIR=${places.sandbox.home}/his/data
     touch ${places.sandbox.home}/sb; mount --bind ${BINARY} ${places.sandbox.home}/sb
     exec setpriv --reuid=54321 --regid=54321 --clear-groups env -u XDG_CACHE_HOME ${places.sandbox.home}/sb ls --json -o open`,
  );
  expect([run.exitCode, run.stderr]).toEqual([0, ""]);
  expect(idsIn(run.stdout)).toHaveLength(2);
  expect(idsIn(readFileSync(places.at("open"), "utf8"))).toHaveLength(2);
  expect(statSync(places.at("open")).mode & 0o7777).toBe(0o666);
  expect(readFileSync(places.at("mounted"), "utf8")).toBe("old");
  expect(places.names()).toEqual(["mounted", "open", "under"]);
});

test("what another user left in a folder for everybody is not written to", async () => {
  if (!needsRoot("chown")) return;
  using places = new Places();
  writeFileSync(join(places.sandbox.home, "precious"), "mine");
  await places.run(`chown 54320 .; chmod 1777 .
    echo old > file; mkfifo fifo; ln -s ../precious link; ln -s ../no nowhere
    chown -h 54321 file fifo link nowhere`);
  for (const words of [
    ["ls", "-o"],
    ["backup", "--force"],
  ])
    for (const name of ["file", "fifo", "link", "nowhere"]) {
      const run = await places.sandbox.run([...words, places.at(name)]);
      expectFailure(
        run,
        6,
        /belongs to uid 54321, in a folder where others|is a link of uid 54321/,
      );
    }
  expect(readFileSync(places.at("file"), "utf8")).toBe("old\n");
  const precious = join(places.sandbox.home, "precious");
  expect(readFileSync(precious, "utf8")).toBe("mine");
});

test("what cannot be written to is refused by name, and the old content stays", async () => {
  using places = new Places();
  const socket = createServer().listen(places.at("socket"));
  symlinkSync("loop", places.at("loop"));
  writeFileSync(places.at("file"), "old");
  const REFUSED: [string, number, RegExp][] = [
    ["socket", 64, /socket' is a socket/],
    ["", 64, /' is a folder/],
    ["new/", 64, /new\/' is to be a folder/],
    ["loop", 64, /loop' is a link that leads nowhere/],
    ["no/where", 64, /there is no folder '.*\/no'/],
    ["file/x", 64, /there is no folder '.*\/file'/],
    ["n".repeat(300), 64, /is too long/],
  ];
  for (const [name, status, sentence] of REFUSED)
    for (const words of [["ls", "-o"], ["backup"]]) {
      const path = `${places.folder}/${name}`;
      const run = await places.sandbox.run([...words, path]);
      expectFailure(run, status, sentence);
    }
  const closed = await places.sandbox.run(["ls", "-o", "/dev/fd/9"]);
  expectFailure(closed, 64, /descriptor 9 is not open/);
  const full = await places.sandbox.run(["ls", "-o", "/dev/full"]);
  expectFailure(full, 1, /'\/dev\/full' cannot be written: ENOSPC/);
  const env = { SESSION_BUDDY_CONFIG: "/dev/null", SESSION_BUDDY_DB_PATH: "/" };
  const failed = await places.sandbox.run(["ls", "-o", places.at("file")], {
    env,
  });
  expect(failed.exitCode).not.toBe(0);
  expect(readFileSync(places.at("file"), "utf8")).toBe("old");
  expect(places.names()).toEqual(["file", "loop", "socket"]);
  socket.close();
});

test("what may not be written says what to do about it, not about our data", async () => {
  if (!needsRoot("setpriv")) return;
  using sandbox = new Sandbox();
  const closed = join(sandbox.home, "closed");
  mkdirSync(closed, { mode: 0o700 });
  const script = asUnknownUser(sandbox)(`
    export SESSION_BUDDY_DATA_DIR=${sandbox.home}/data
    SESSION_BUDDY_DB_PATH=/usr/x $SB backup copy || echo $? >&2
    SESSION_BUDDY_LOG_DIR=${closed} $SB mcp logs || echo $? >&2
    $SB restore --yes ${closed}/x || echo $? >&2
    for words in "ls -o" backup "archive-sessions --days 0 --yes --output"; do
      $SB $words /usr/x || echo $? >&2
    done`);
  const { stdout, stderr } = await runPrivately(sandbox, script);
  expect(stdout).toBe("");
  const lines = stderr.trimEnd().split("\n");
  const [lock, , log, , backup] = lines.splice(0, 6) as string[];
  expect(lock).toMatch(/'\/usr\/x\.lock' cannot be written \(.*_DB_PATH/);
  for (const line of [log, backup])
    expect(line).toMatch(
      /'\/.*\/closed\/.*' cannot be read: EACCES \(let this user read it/,
    );
  for (const n of [0, 2, 4]) {
    expect(lines[n]).toMatch(
      /^session-buddy: '\/usr(\/x)?' cannot be written \(/,
    );
    expect(lines[n]).toContain("give a file that you may write");
    expect(lines[n + 1]).toBe("6");
  }
  for (const code of ["EMFILE", "ENFILE"])
    expect(folderFailure("/x", { code }).message).toMatch(
      /^'\/x' cannot be used: \w+ \(.*(open files|files open)/,
    );
});

test("a backup goes through a pipe, with a server and without", async () => {
  using places = new Places();
  const through = async () => {
    const { exitCode, stderr } = await places.run(
      "sb backup --json /dev/stdout | cat > copy",
    );
    expect(exitCode).toBe(0);
    const { file, sessions } = JSON.parse(stderr) as Record<string, unknown>;
    expect([file, sessions]).toEqual(["/dev/stdout", 2]);
    const head = readFileSync(places.at("copy")).subarray(8, 12).toString();
    expect(head).toBe("DUCK");
    const left = readdirSync(places.sandbox.data);
    expect(left.filter((name) => name.startsWith(".backup"))).toEqual([]);
  };
  await through();
  await using _server = await TestServer.start(places.sandbox);
  await through();
});

test("a folder that is exchanged after the look gets nothing", () => {
  using places = new Places();
  const ours = places.at("ours");
  for (const name of ["theirs", "ours"]) mkdirSync(places.at(name));
  writeFileSync(join(ours, "file"), "kept");
  for (const name of ["file", "new"]) {
    const place = placeOf(places.at(`theirs/${name}`)) as FilePlace;
    using half = new NewFile(places.at("any"));
    writeFileSync(half.create(), "theirs");
    renameSync(places.at("theirs"), places.at("moved"));
    symlinkSync("ours", places.at("theirs"));
    expect(() => putInPlace(half, place)).toThrow(/exchanges folders on the/);
    expect(readFileSync(join(ours, "file"), "utf8")).toBe("kept");
    expect(readdirSync(ours)).toEqual(["file"]);
    rmSync(places.at("theirs"));
    renameSync(places.at("moved"), places.at("theirs"));
  }
});
