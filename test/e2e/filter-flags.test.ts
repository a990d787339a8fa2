/** Filters as flags: of this place, of several tags, and values that they cannot have. */
import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expectFailure, plant } from "../support/host.ts";
import { BINARY, Sandbox } from "../support/sandbox.ts";

test("--here is this host and this folder, or one below it", async () => {
  using sandbox = new Sandbox();
  const at = (...path: string[]) => join(sandbox.home, ...path);
  mkdirSync(at("project", "below"), { recursive: true });
  mkdirSync(at("projects"));
  symlinkSync(at("project"), at("link"));
  // Elsewhere, in a folder of the same name.
  plant(sandbox, [{ cwd: at("project") }]);
  for (const folder of ["project", "project/below", "projects", "."])
    await sandbox.run(["shell", "--name", folder, "--", "true"], {
      cwd: at(folder),
    });
  const names = async (cwd: string, ...flags: string[]) => {
    const columns = ["--columns", "name", "--reverse"];
    const ran = await sandbox.run(["ls", ...columns, ...flags], { cwd });
    expect([ran.exitCode, ran.stderr]).toEqual([0, ""]);
    return ran.stdout.trim().split("\n");
  };
  expect(await names(at("project"), "--here")).toEqual([
    "project",
    "project/below",
  ]);
  expect(await names(at("link"), "--here")).toEqual([
    "project",
    "project/below",
  ]);
  expect(await names(at("project/below"), "--here")).toEqual(["project/below"]);
  expect(await names(at("projects"), "--here")).toEqual(["projects"]);
  const all = ["-", "project", "project/below"];
  for (const cwd of [".", "../project/", at("project")])
    expect(await names(at("project"), "--cwd", cwd)).toEqual(all);
  expect(await names("/", "--cwd", at("project"), "--host", "host")).toEqual([
    "-",
  ]);
});

test("in a folder that is gone, --here is told so", async () => {
  using sandbox = new Sandbox();
  for (const [flags, status] of [
    ["--here", 64],
    ["--cwd .", 64],
    ["--cwd /srv", 0],
  ] as const) {
    const script = `mkdir gone; cd gone; rmdir ../gone; ${BINARY} ls ${flags}`;
    const ran = await sandbox.command(["bash", "-c", script]);
    expect([flags, ran.exitCode]).toEqual([flags, status]);
    if (status)
      expect(ran.stderr).toContain("the folder that we are in is gone");
  }
});

test("a tag may be given again: each is wanted", async () => {
  using sandbox = new Sandbox();
  const [a, ab] = plant(sandbox, [
    { tags: ["a"], at: "2026-02-06T11:00:00.000Z" },
    { tags: ["b", "a"] },
    {},
  ]) as [string, string];
  const ids = async (...flags: string[]) =>
    (await sandbox.list(...flags)).map(({ session_id }) => session_id);
  expect(await ids("--tag", "a")).toEqual([ab, a]);
  expect(await ids("--tag", "a", "--tag=b")).toEqual([ab]);
  expect(await ids("--tag", "a", "--tag", "c")).toEqual([]);
});

test("a value that a filter cannot have is told, with one that it can", async () => {
  using sandbox = new Sandbox();
  for (const [flags, said] of [
    [["--at", "soon"], /'soon' is not a time \(try: /],
    [["--during", "today"], /'today' is not a span of time \(try: .*\.\./],
    [["--during", "now..today"], /the end is not after the beginning/],
    [["--last", "5 moons"], /'5 moons' is not a length of time \(try: /],
    [["--duration-greater", "-1"], /'-1' is not a length of time/],
    [["--exit", "256"], /--exit takes an exit status, not '256'/],
    [["--status", "gone"], /--status takes active, ended, lost, not 'gone'/],
    [["--offset", "x"], /--offset takes a whole number/],
    [["--cwd", ""], /the folder is empty/],
    [["--here", "--host", "x"], /--here stands for --cwd and --host/],
    [["--tags", "x"], /has no flag '--tags' \(did you mean --tag\?\)/],
  ] as const)
    expectFailure(await sandbox.run(["ls", ...flags]), 64, said);
});
